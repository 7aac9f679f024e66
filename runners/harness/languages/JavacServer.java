import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * A compiler that stays warm: takes one source at a time on its standard input and answers with a jar, or with what
 * javac said. It never runs what it compiles, and annotation processing is off.
 *
 * <p>In: length and UTF-8 of the file name, length and UTF-8 of the source. Out: 1 or 0, length, jar or diagnostics.
 */
final class JavacServer {
    private static final JavaCompiler COMPILER = ToolProvider.getSystemJavaCompiler();
    private static final StandardJavaFileManager STANDARD = COMPILER.getStandardFileManager(null, null, null);

    private JavacServer() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("--once")) {
            once(Path.of(arguments[1]), Path.of(arguments[2]), Arrays.asList(arguments).subList(3, arguments.length));
        } else {
            serve(Arrays.asList(arguments));
        }
    }

    /** Compile one file to a jar and end. */
    private static void once(Path file, Path to, List<String> options) throws IOException {
        StringWriter said = new StringWriter();
        STANDARD.handleOption("-cp", options.subList(0, 1).iterator());
        List<String> flags = options.subList(1, options.size());
        byte[] jar = compile(file.getFileName().toString(), Files.readString(file), flags, said);
        System.err.print(said);
        if (jar == null) {
            System.exit(1);
        }
        Files.write(to, jar);
    }

    private static void serve(List<String> options) throws IOException {
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream out = new DataOutputStream(System.out);
        System.setOut(System.err);
        STANDARD.handleOption("-cp", options.subList(0, 1).iterator());
        List<String> flags = options.subList(1, options.size());
        while (true) {
            int size = in.readInt();
            String name = new String(in.readNBytes(size), "UTF-8");
            String source = new String(in.readNBytes(in.readInt()), "UTF-8");
            StringWriter said = new StringWriter();
            byte[] jar = compile(name, source, flags, said);
            byte[] answer = jar == null ? said.toString().getBytes("UTF-8") : jar;
            out.writeByte(jar == null ? 0 : 1);
            out.writeInt(answer.length);
            out.write(answer);
            out.flush();
        }
    }

    /** The jar of all classes; null where javac refuses, which it tells in `said`. */
    private static byte[] compile(String name, String source, List<String> flags, StringWriter said) throws IOException {
        Classes classes = new Classes();
        List<JavaFileObject> sources = List.of(new Source(name, source));
        boolean well = COMPILER.getTask(said, classes, null, flags, null, sources).call();
        return well ? classes.jar() : null;
    }

    /** One source in memory. */
    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String name, String text) {
            super(URI.create("string:///" + name), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    /** Classes in memory, by their binary names. */
    private static final class Classes extends ForwardingJavaFileManager<JavaFileManager> {
        private final Map<String, ByteArrayOutputStream> written = new LinkedHashMap<>();

        Classes() {
            super(STANDARD);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String className, JavaFileObject.Kind kind, javax.tools.FileObject sibling) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            written.put(className, bytes);
            URI uri = URI.create("mem:///" + className.replace('.', '/') + kind.extension);
            return new SimpleJavaFileObject(uri, kind) {
                @Override
                public OutputStream openOutputStream() {
                    return bytes;
                }
            };
        }

        byte[] jar() throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
                for (Map.Entry<String, ByteArrayOutputStream> each : written.entrySet()) {
                    add(zip, each.getKey().replace('.', '/') + ".class", each.getValue().toByteArray());
                }
            }
            return bytes.toByteArray();
        }

        private static void add(ZipOutputStream zip, String name, byte[] data) throws IOException {
            CRC32 crc = new CRC32();
            crc.update(data);
            ZipEntry entry = new ZipEntry(name);
            entry.setMethod(ZipEntry.STORED);
            entry.setSize(data.length);
            entry.setCrc(crc.getValue());
            entry.setTime(0);
            zip.putNextEntry(entry);
            zip.write(data);
            zip.closeEntry();
        }
    }
}
