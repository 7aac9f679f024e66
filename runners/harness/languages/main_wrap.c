/* Linked into C, C++ and Rust programs with --wrap=main: main is the program's own, and only where it returns 0 to us,
   neither exiting nor dying on the way, is the ticket handed in. */
#include <fcntl.h>
#include <unistd.h>

extern int __real_main(int argc, char **argv, char **environment);

static void hand_in(void) {
  char ticket[1024];
  int from = open("/tmp/ticket", O_RDONLY);
  int to = open("/tmp/handed-in", O_WRONLY | O_CREAT | O_EXCL, 0600);
  ssize_t size = from < 0 ? -1 : read(from, ticket, sizeof ticket);
  if (to < 0 || size <= 0 || write(to, ticket, (size_t)size) != size) _exit(96);
}

int __wrap_main(int argc, char **argv, char **environment) {
  int status = __real_main(argc, argv, environment);
  if (status == 0) hand_in();
  return status;
}
