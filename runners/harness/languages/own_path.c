/* Tells a compiler where it lies, which it asks /proc/self/exe and the jail has no /proc. Preloaded into rustc alone:
 * releases before 1.66 or so ask in no other way. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t readlink(const char *path, char *text, size_t size) {
    const char *own = getenv("CODEASSAY_OWN_PATH");
    if (own == NULL || strcmp(path, "/proc/self/exe") != 0)
        return syscall(SYS_readlinkat, AT_FDCWD, path, text, size);
    size_t length = strlen(own);
    if (length > size)
        length = size;
    memcpy(text, own, length);
    return (ssize_t)length;
}
