//===- Thread.h - A thread whose start may fail -----------------*- C++ -*-===//
// std::thread throws when the system refuses a thread; we build without
// exceptions and would rather go on with fewer.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_THREAD_H
#define TQ_RUNTIME_THREAD_H

#include <functional>
#include <pthread.h>
#include <utility>

namespace tq {

/// Joined on destruction. Must not move once started.
class Thread {
public:
  Thread() = default;
  Thread(const Thread &) = delete;
  ~Thread() { join(); }
  void join() {
    if (started)
      pthread_join(handle, nullptr);
    started = false;
  }

  /// False if the system refuses.
  bool start(std::function<void()> function) {
    body = std::move(function);
    auto run = [](void *self) -> void * {
      static_cast<Thread *>(self)->body();
      return nullptr;
    };
    started = pthread_create(&handle, nullptr, run, this) == 0;
    return started;
  }

private:
  std::function<void()> body;
  pthread_t handle{};
  bool started = false;
};

} // namespace tq

#endif // TQ_RUNTIME_THREAD_H
