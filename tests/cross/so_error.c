/*
 * Stands before getsockopt(2) of an emulator for MIPS, which passes on the number of a connection's error as this machine
 * has it: with those of MIPS.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

static const unsigned char numbers[][2] = {
    { EADDRINUSE, 125 }, { EADDRNOTAVAIL, 126 }, { ENETDOWN, 127 },     { ENETUNREACH, 128 }, { ENETRESET, 129 },
    { ECONNABORTED, 130 }, { ECONNRESET, 131 },  { ENOBUFS, 132 },      { ETIMEDOUT, 145 },   { ECONNREFUSED, 146 },
    { EHOSTDOWN, 147 },  { EHOSTUNREACH, 148 },
};

int getsockopt(int socket, int level, int option, void *value, socklen_t *size)
{
    int (*real)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");
    int result = real(socket, level, option, value, size);
    for (unsigned n = 0; result == 0 && level == SOL_SOCKET && option == SO_ERROR && n < sizeof numbers / 2; n++) {
        if (*(int *)value == numbers[n][0]) {
            *(int *)value = numbers[n][1];
            break;
        }
    }
    return result;
}
