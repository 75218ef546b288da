//===- MemberLints.cpp - Member functions of objects far away -------------===//
// `this` is in thread memory before MSL 4.1; clang's generic address space lets
// it be anywhere.
//===----------------------------------------------------------------------===//

#include "tests/metal/Lints.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

using namespace tq::metal;

namespace {

class MemberLinter {
public:
  MemberLinter(const Tokens &tokens, const Reflection &reflection) : t(tokens), reflection(reflection) {}

  std::vector<Finding> run() {
    for (const FunctionText &f : reflection.functions)
      if (f.isMember)
        methods[f.name].push_back(&f);
    for (const FunctionText &f : reflection.functions) {
      std::map<std::string_view, Object> objects = objectsOf(f);
      for (size_t i = f.body.begin; i < f.body.end; ++i)
        methodCall(objects, i);
    }
    return std::move(findings);
  }

private:
  void say(size_t i, std::string message) { findings.push_back(findingAt(t, reflection, i, std::move(message))); }

  /// A variable for an object that is not in thread memory.
  struct Object {
    bool pointer = false, array = false;
    std::string_view space;
  };

  static bool isFarSpace(std::string_view s) { return s == "device" || s == "constant" || s == "threadgroup"; }

  /// The type of an object after its address space, [const] S [const]: the token behind it, or 0.
  size_t objectType(size_t i) const {
    while (t[i] == "const" || t[i] == "volatile" || t[i] == "struct")
      ++i;
    if (!reflection.structs.contains(t[i]))
      return 0;
    i = t[i + 1] == "<" ? t.closingAngle(i + 1) + 1 : i + 1;
    return t[i] == "const" ? i + 1 : i;
  }

  std::map<std::string_view, Object> objectsOf(const FunctionText &f) const {
    std::map<std::string_view, Object> objects;
    for (size_t i = f.nameAt + 1; i < f.body.end; ++i) {
      size_t after = isFarSpace(t[i]) ? objectType(i + 1) : 0;
      if (after == 0)
        continue;
      bool pointer = t[after] == "*";
      size_t name = pointer || t[after] == "&" ? after + 1 : after;
      while (t[name] == "const" || t[name] == "restrict" || t[name] == "__restrict")
        ++name;
      if (t.isWord(name))
        objects[t[name]] = {pointer, t[name + 1] == "[", t[i]};
    }
    return objects;
  }

  /// Every member function of the name is one of thread memory: no address space behind its parameters, not static.
  bool isThreadMethod(std::string_view name) const {
    auto known = methods.find(name);
    return known != methods.end() && !reflection.members.contains(name) &&
           std::ranges::all_of(known->second, [&](const FunctionText *f) {
             for (size_t i = t.closing(f->nameAt + 1); i < f->body.begin; ++i)
               if (isFarSpace(t[i]))
                 return false;
             for (size_t i = f->nameAt; i-- > 0 && t[i] != ";" && t[i] != "{" && t[i] != "}";)
               if (t[i] == "static")
                 return false;
             return true;
           });
  }

  /// The bracket that the one at i closes.
  size_t opening(size_t i) const {
    std::string_view close = t[i], open = close == ")" ? "(" : "[";
    for (int depth = 0; i > 0; --i) {
      depth += t[i] == close ? 1 : t[i] == open ? -1 : 0;
      if (depth == 0)
        return i;
    }
    return 0;
  }

  /// The address space of the object whose member is named after the `.` or `->` at i, where the text before tells.
  std::string_view spaceOf(const std::map<std::string_view, Object> &objects, size_t i) const {
    bool arrow = t[i] == "->";
    size_t at = i - 1;
    bool subscript = t[at] == "]";
    if (subscript)
      at = opening(at) - 1;
    if (t[at] == ")") {
      size_t open = opening(at);
      auto pointee = t[open + 1] == "*" ? objects.find(t[open + 2]) : objects.end();
      if (pointee != objects.end() && open + 3 == at) // (*p).get()
        return !arrow && !subscript && pointee->second.pointer ? pointee->second.space : "";
      size_t cast = open + 1; // ((device const S *)p)->get()
      if (t[cast] != "(" || arrow == subscript)
        return "";
      size_t space = t[cast + 1] == "const" ? cast + 2 : cast + 1;
      size_t after = isFarSpace(t[space]) ? objectType(space + 1) : 0;
      return after && t[after] == "*" && t[after + 1] == ")" ? t[space] : "";
    }
    auto object = objects.find(t[at]);
    if (object == objects.end() || t[at - 1] == "." || t[at - 1] == "->" || t[at - 1] == "::")
      return "";
    bool direct = object->second.pointer ? arrow != subscript : !arrow && object->second.array == subscript;
    return direct ? object->second.space : "";
  }

  void methodCall(const std::map<std::string_view, Object> &objects, size_t i) {
    if ((t[i] != "." && t[i] != "->") || t[i + 2] != "(" || !isThreadMethod(t[i + 1]))
      return;
    if (std::string_view space = spaceOf(objects, i); !space.empty())
      say(i + 1, fmt::format("member function {} is called on an object in {} memory, but `this` is in thread memory",
                             t[i + 1], space));
  }

  const Tokens &t;
  const Reflection &reflection;
  std::map<std::string_view, std::vector<const FunctionText *>> methods; ///< member functions by name
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> tq::metal::lintMembers(const Tokens &tokens, const Reflection &reflection, int version) {
  return version >= 410 ? std::vector<Finding>() : MemberLinter(tokens, reflection).run();
}
