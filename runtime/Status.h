//===- Status.h - A value or a sentence that says what went wrong ---------===//
// Shared by the compiler's readers and the runtime; depends on nothing else.
// Text that comes from outside (files, checkpoints, packages) reaches us
// through functions that return a Result: no exceptions, no process exit.
//
//   tq::Result<Package> open(path);
//   tq::Status check(const Package &package) {
//     if (package.version > 2)
//       return tq::Error{"x.tqpkg: format version 3, but ..."};
//     TQ_TRY(checkPlanes(package));              // leaves on failure
//     TQ_TRY_ASSIGN(auto file, mapFile("x"));    // leaves, or names the value
//     return tq::Status();
//   }
//
// Messages: lower case, no final full stop, file or tensor first, both
// numbers, then what to do.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_STATUS_H
#define TQ_RUNTIME_STATUS_H

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace tq {

struct Error {
  std::string message;
};

/// A T, or the Error that explains its absence. std::expected, which C++20
/// lacks, with the few members we use.
template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : state(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state.index() == 0; }
  explicit operator bool() const { return ok(); }

  T &value() & { return *get(*this); }
  const T &value() const & { return *get(*this); }
  T &&value() && { return std::move(*get(*this)); }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return get(*this); }
  const T *operator->() const { return get(*this); }

  const Error &error() const {
    assert(!ok() && "error() of a successful result");
    return *std::get_if<1>(&state);
  }
  const std::string &message() const { return error().message; }

private:
  // get_if rather than get: the latter throws, and we build without exceptions.
  template <class Self> static auto get(Self &self) {
    assert(self.ok() && "value() of a failed result");
    return std::get_if<0>(&self.state);
  }

  std::variant<T, Error> state;
};

/// Success, or an Error.
template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : failure(std::move(error)), failed(true) {}

  bool ok() const { return !failed; }
  explicit operator bool() const { return ok(); }

  const Error &error() const {
    assert(failed && "error() of a successful result");
    return failure;
  }
  const std::string &message() const { return error().message; }

private:
  Error failure;
  bool failed = false;
};

using Status = Result<void>;

} // namespace tq

#define TQ_CONCAT_IMPL(a, b) a##b
#define TQ_CONCAT(a, b) TQ_CONCAT_IMPL(a, b)

/// Leaves the function with the Error of `expr`, a Status or any Result.
#define TQ_TRY(...)                                                                                                    \
  do {                                                                                                                 \
    if (auto tqStatus = (__VA_ARGS__); !tqStatus.ok())                                                                 \
      return tqStatus.error();                                                                                         \
  } while (false)

/// Leaves the function with the Error of a Result, or moves its value to
/// `decl`. Expands to several statements: give it braces after an `if`.
#define TQ_TRY_ASSIGN(decl, ...) TQ_TRY_ASSIGN_IMPL(TQ_CONCAT(tqResult, __LINE__), decl, __VA_ARGS__)
#define TQ_TRY_ASSIGN_IMPL(tmp, decl, ...)                                                                             \
  auto tmp = (__VA_ARGS__);                                                                                            \
  if (!tmp.ok())                                                                                                       \
    return tmp.error();                                                                                                \
  decl = *std::move(tmp)

#endif // TQ_RUNTIME_STATUS_H
