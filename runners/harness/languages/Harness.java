import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;

/** Calls the program's main; only where it returns, neither throwing nor exiting, is the ticket handed in. */
final class Harness {
    private Harness() {}

    public static void main(String[] arguments) throws Throwable {
        Class<?> program = Class.forName(arguments[0]);
        Method main = program.getDeclaredMethod("main", String[].class);
        main.setAccessible(true);
        try {
            main.invoke(null, (Object) new String[0]);
        } catch (InvocationTargetException failure) {
            System.out.flush();
            failure.getCause().printStackTrace();
            System.exit(1);
        }
        System.out.flush();
        Files.copy(Path.of("/tmp/ticket"), Path.of("/tmp/handed-in"));
    }
}
