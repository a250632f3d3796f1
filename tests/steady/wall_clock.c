/* Preloaded, it shifts the wall clock of a process by the seconds that stand in a file, as long as they stand there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    long seconds = 0;
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("WSMON_TEST_CLOCK"), "r") : NULL;
    if (file != NULL) {
        if (fscanf(file, "%ld", &seconds) == 1)
            now->tv_sec += seconds;
        fclose(file);
    }
    return result;
}
