/* A disk that is slower than the one that is there: each sync takes SLOW_SYNC_MICROSECONDS longer.
   For LD_PRELOAD; xtask/src/slow_disk.rs compiles it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slow_sync(long call, int file) {
  const char *set = getenv("SLOW_SYNC_MICROSECONDS");
  long microseconds = set ? atol(set) : 0;
  struct timespec longer = {microseconds / 1000000, microseconds % 1000000 * 1000};
  nanosleep(&longer, NULL);
  return (int)syscall(call, file);
}

int fsync(int file) { return slow_sync(SYS_fsync, file); }
int fdatasync(int file) { return slow_sync(SYS_fdatasync, file); }
