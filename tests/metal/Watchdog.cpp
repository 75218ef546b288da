//===- Watchdog.cpp - Kernels that crash or never end ---------------------===//
// Signals of a worker's host thread while a kernel has it. The handler runs on a
// stack of its own and leaves by a switch to the worker's main stack, which it
// may do because kernels hold nothing: no lock, no allocation. In the executor's
// own functions it waits for the next tick instead.
//===----------------------------------------------------------------------===//

#include "tests/metal/Worker.h"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <mutex>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

using namespace tq::metal;

namespace {

constexpr int kTick = SIGVTALRM;
constexpr long kTickNanoseconds = 50'000'000;
constexpr size_t kStackBytes = 64 << 10;
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

struct sigaction previous[NSIG];

__attribute__((tls_model("initial-exec"))) thread_local struct {
  uint64_t group = 0;
  long ticks = 0, limit = 0;
} watch;

const void *codeOf(void *context) {
  auto *c = static_cast<ucontext_t *>(context);
#if defined(__x86_64__)
  return reinterpret_cast<const void *>(c->uc_mcontext.gregs[REG_RIP]);
#else
  return reinterpret_cast<const void *>(c->uc_mcontext.pc);
#endif
}

/// The signal would stay blocked: its handler does not return.
void unblock(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void passOn(int number, siginfo_t *info, void *context) {
  const struct sigaction &old = previous[number];
  if (old.sa_flags & SA_SIGINFO)
    old.sa_sigaction(number, info, context);
  else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)
    old.sa_handler(number);
  else if (old.sa_handler == SIG_DFL)
    signal(number, SIG_DFL); // it comes again as soon as this returns
}

void onFault(int number, siginfo_t *info, void *context) {
  Worker *w = currentWorker();
  if (!w || !w->running)
    return passOn(number, info, context);
  const char *message = number == SIGFPE ? "integer division by zero or overflow"
                        : number == SIGSEGV || number == SIGBUS
                            ? (w->stacks.isGuard(reinterpret_cast<uintptr_t>(info->si_addr))
                                   ? "private memory does not fit the stack of 128 KiB"
                                   : "out of bounds: access to memory that is not bound")
                            : "an instruction that cannot be executed";
  unblock(number);
  w->failFromSignal(message, codeOf(context));
}

void onTick(int number, siginfo_t *, void *context) {
  Worker *w = currentWorker();
  if (!w || !w->running)
    return;
  if (watch.group != w->groupTicks) {
    watch.group = w->groupTicks;
    watch.ticks = 0;
  }
  if (++watch.ticks < watch.limit)
    return;
  const void *code = codeOf(context);
  if (!w->inKernel(code))
    return;
  unblock(number);
  w->failFromSignal("endless loop: the threadgroup does not end within the time limit", code);
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    action.sa_sigaction = onFault;
    for (int number : kFaults)
      sigaction(number, &action, &previous[number]);
    action.sa_flags |= SA_RESTART;
    action.sa_sigaction = onTick;
    sigaction(kTick, &action, &previous[kTick]);
  });
}

} // namespace

Watchdog::Watchdog(double limit) {
  install();
  watch.group = 0;
  watch.ticks = 0;
  watch.limit = static_cast<long>(limit * 1e9 / kTickNanoseconds);
  stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack != MAP_FAILED) {
    auto *old = static_cast<stack_t *>(calloc(1, sizeof(stack_t)));
    stack_t mine = {};
    mine.ss_sp = stack;
    mine.ss_size = kStackBytes;
    sigaltstack(&mine, old);
    oldStack = old;
  }
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kTick;
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
  event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
  timer_t id;
  hasTimer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &id) == 0;
  if (hasTimer) {
    timer = id;
    itimerspec interval = {{0, kTickNanoseconds}, {0, kTickNanoseconds}};
    timer_settime(id, 0, &interval, nullptr);
  }
}

Watchdog::~Watchdog() {
  if (hasTimer)
    timer_delete(static_cast<timer_t>(timer));
  if (oldStack) {
    sigaltstack(static_cast<stack_t *>(oldStack), nullptr);
    free(oldStack);
  }
  if (stack != MAP_FAILED)
    munmap(stack, kStackBytes);
}
