/*
 * getrandom(2) for static binaries: it neither fails nor waits. The kernel has it since 3.17, a filter of system calls
 * may refuse it, and early at boot it would wait for entropy, which /dev/urandom does not.
 *
 * The program's random numbers are masks of frames, delays, DNS ids and hash keys. The keys of TLS are not made of
 * them: OpenSSL calls getentropy(3), which is this file's too, and waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define NONBLOCK 1 /* GRND_NONBLOCK */

/* Flags only say how to wait. */
ssize_t getrandom(void *buffer, size_t len, unsigned flags __attribute__((unused)))
{
    ssize_t got = syscall(SYS_getrandom, buffer, len, NONBLOCK);
    if (got < 0) {
        int device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
        got = read(device, buffer, len);
        close(device);
    }
    if (got <= 0) {
        /* The 16 bytes that the kernel gives every program at its start, never twice the same. */
        static unsigned char count;
        const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
        for (got = 0; bytes != NULL && got < 16 && (size_t)got < len; got++)
            ((unsigned char *)buffer)[got] = bytes[got] ^ count++;
    }
    return got;
}

/* Kernels before 3.17 have /dev/urandom, which does not wait: it is random once /dev/random can be read. */
static int random_device(void)
{
    struct pollfd seeded = { open("/dev/random", O_RDONLY | O_CLOEXEC), POLLIN, 0 };
    if (seeded.fd < 0)
        return -1;
    while (poll(&seeded, 1, -1) < 0 && errno == EINTR)
        ;
    close(seeded.fd);
    return open("/dev/urandom", O_RDONLY | O_CLOEXEC);
}

int getentropy(void *buffer, size_t len)
{
    int device = -1;
    while (len > 0) {
        ssize_t got = device < 0 ? syscall(SYS_getrandom, buffer, len, 0) : read(device, buffer, len);
        if (got > 0) {
            buffer = (char *)buffer + got;
            len -= got;
        } else if (got == 0 || errno != EINTR) {
            if (device >= 0 || (device = random_device()) < 0)
                break;
        }
    }
    close(device);
    return len > 0 ? -1 : 0;
}
