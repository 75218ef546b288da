//===- IrAccesses.cpp - Accesses told before they are optimised -----------===//

#include "tests/metal/IrAccesses.h"

#include "tests/metal/IrText.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <vector>

using namespace tq::metal;

namespace {

using View = std::string_view;

constexpr int kPrivate = 0, kGeneric = 4; ///< clang's numbers; device is 1, constant 2, threadgroup 3
constexpr int kNew = -1, kNothing = -2;   ///< an element that is not the loaded one; poison
constexpr size_t kMostSteps = 8;          ///< instructions from a load to the store of the changed vector

/// The shim's load<T>(): copies of structs, also out of constant memory.
constexpr View kLoader = "@_ZN5__msl4loadI";

bool isShared(int space) { return space != kPrivate && space != kGeneric; }

/// The parts of a list that commas separate, with what is in brackets left whole.
std::vector<View> parts(View text) {
  std::vector<View> out;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ',';
    if (c == '"') {
      i = std::min(text.find('"', i + 1), text.size() - 1);
    } else if (c == '(' || c == '[' || c == '<' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '>' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      out.push_back(text.substr(begin, i - begin));
      begin = i + 2; // ", "
    }
  }
  return out;
}

/// The end of a name that starts with % or @.
size_t nameEnd(View text, size_t at) {
  if (at + 1 < text.size() && text[at + 1] == '"')
    return std::min(text.find('"', at + 2), text.size() - 1) + 1;
  size_t end = text.find_first_not_of("-$._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", at + 1);
  return std::min(end, text.size());
}

/// Bytes of a scalar; 0 if it is none.
int scalarBytes(View type) {
  if (type == "half" || type == "bfloat")
    return 2;
  if (type == "float")
    return 4;
  if (type == "double" || type.starts_with("ptr"))
    return 8;
  return type.starts_with("i") ? (toInt(type.substr(1)) + 7) / 8 : 0;
}

/// "<4 x float>"; no elements if the type is no vector.
struct Vector {
  explicit Vector(View type) {
    if (!type.starts_with("<") || type.starts_with("<{"))
      return;
    count = toInt(type.substr(1));
    element = between(type, "x ", ">");
    size = scalarBytes(element);
  }
  int count = 0, size = 0;
  View element;
};

/// The bytes of any type, as an operand.
std::string bytesOf(View type) {
  Vector vector(type);
  if (int bytes = vector.count ? vector.count * vector.size : scalarBytes(type))
    return std::to_string(bytes);
  return fmt::format("ptrtoint (ptr getelementptr ({}, ptr null, i32 1) to i64)", type);
}

/// "ptr addrspace(1) %p" or "ptr addrspace(4) align 4 %p".
struct Pointer {
  explicit Pointer(View text) {
    size_t at = text.find_first_of("%@");
    isName = text.starts_with("ptr") && at != text.npos && nameEnd(text, at) == text.size();
    if (!isName)
      return;
    name = text.substr(at);
    space = toInt(between(text, "addrspace(", ")"));
    if (size_t number = text.find("align "); number != text.npos)
      align = toInt(text.substr(number + 6));
  }
  View name;
  int space = kPrivate, align = 1;
  bool isName = false;
};

/// A load or store.
struct Plain {
  explicit Plain(View line) {
    size_t load = line.starts_with("  %") ? line.find(" = load ") : line.npos;
    isStore = line.starts_with("  store ");
    if (load == line.npos && !isStore)
      return;
    View rest = line.substr(isStore ? 8 : load + 8);
    if (rest.starts_with("atomic "))
      return;
    if (rest.starts_with("volatile "))
      rest.remove_prefix(9);
    std::vector<View> list = parts(rest);
    if (list.size() < 2)
      return;
    type = leadingType(list[0]);
    if (isStore)
      value = list[0].substr(std::min(type.size() + 1, list[0].size()));
    else
      value = line.substr(2, load - 2);
    pointer = list[1];
    for (View part : list)
      if (part.starts_with("align "))
        align = toInt(part.substr(6));
    isAccess = true;
  }
  View type, value, pointer; ///< the value stored, or the name of the loaded one
  int align = 1;
  bool isStore = false, isAccess = false;
};

/// `%v = OPERATION parts`
std::vector<View> operands(View line, View operation) {
  size_t at = line.find(operation);
  return at == line.npos || !line.starts_with("  %") ? std::vector<View>() : parts(line.substr(at + operation.size()));
}
View valueOf(View part) { return part.substr(std::min(leadingType(part).size() + 1, part.size())); }

/// The mask of a shufflevector: "<4 x i32> <i32 4, i32 1, i32 poison, i32 3>".
std::vector<int> mask(View part) {
  Vector type(leadingType(part));
  View value = valueOf(part);
  std::vector<int> out(static_cast<size_t>(type.count), value == "poison" || value == "undef" ? kNothing : 0);
  if (value.starts_with("splat"))
    std::ranges::fill(out, toInt(between(value, "i32 ", ")")));
  if (!value.starts_with("<"))
    return out;
  size_t i = 0;
  for (View element : parts(value.substr(1, value.size() - 2)))
    if (i < out.size())
      out[i++] = element.ends_with("poison") || element.ends_with("undef") ? kNothing : toInt(valueOf(element));
  return out;
}

/// Elements of a vector: those marked, or one that is known when the kernel runs.
struct Elements {
  std::vector<bool> marked;
  View indexType, index, value; ///< and what is stored there
  bool all() const { return index.empty() && std::ranges::find(marked, false) == marked.end(); }
};

class Teller {
public:
  explicit Teller(View ir) : ir(ir) {
    View loader;
    forEachLine(ir, [&](View line) {
      if (line.starts_with("!") && contains(line, " = !{i64 0, i64 "))
        structs[line.substr(0, line.find(' '))] = line.substr(line.find('{') + 1);
      else if (line.starts_with("define "))
        loader = contains(line, kLoader) ? nameAt(line, line.find('@')) : View();
      else if (!loader.empty() && contains(line, "@llvm.memcpy."))
        loaders[loader] = layout(line);
    });
  }

  std::string run() {
    out.reserve(ir.size() * 2);
    bool inside = false;
    forEachLine(ir, [&](View line) {
      if (line.starts_with("}")) {
        function();
        lines.clear();
        inside = false;
      }
      if (inside)
        lines.push_back(line);
      else if (line.starts_with("!"))
        (out += line) += '\n';
      else
        put(line);
      inside |= line.starts_with("define ");
    });
    return std::move(out);
  }

private:
  // --- without address spaces -------------------------------------------------

  static void erase(std::string &text, View begin, View end) {
    for (size_t at = text.find(begin); at != text.npos; at = text.find(begin, at))
      text.erase(at, text.find(end, at) + end.size() - at);
  }

  /// A cast in a constant expression becomes what is cast.
  static void dropCast(std::string &text, View begin, View end) {
    for (size_t at = text.find(begin); at != text.npos; at = text.find(begin, at)) {
      size_t close = at + begin.size();
      for (int depth = 1; close < text.size() && depth > 0; ++close)
        depth += (text[close] == '(') - (text[close] == ')');
      size_t tail = text.rfind(end, close);
      if (tail == text.npos || tail <= at)
        return;
      text.erase(tail, close - tail);
      text.erase(at, begin.size());
    }
  }

  void put(View line) {
    if (!contains(line, "addrspace") && !contains(line, "@llvm.")) {
      (out += line) += '\n';
      return;
    }
    std::string text(line);
    erase(text, " addrspace(", ")");
    dropCast(text, "addrspacecast (ptr ", " to ptr)");
    dropCast(text, "inttoptr (i64 ptrtoint (ptr ", " to i64) to ptr)");
    if (size_t cast = text.find(" = addrspacecast "); cast != text.npos)
      text.replace(cast, 17, " = bitcast ");
    // "@llvm.memcpy.p1.p4.i64" is one of several of a name now.
    for (size_t at = text.find("@llvm."); at != text.npos; at = text.find("@llvm.", at + 1))
      for (size_t dot = text.find(".p", at), end = text.find('(', at); dot < end; dot = text.find(".p", dot + 1))
        if (dot + 3 < text.size() && text[dot + 2] >= '1' && text[dot + 2] <= '9' &&
            (text[dot + 3] == '.' || text[dot + 3] == '('))
          text[dot + 2] = '0';
    if (text.starts_with("declare ")) {
      size_t at = text.find('@');
      if (!declared.insert(text.substr(at, text.find('(', at) - at)).second)
        return;
    }
    (out += text) += '\n';
  }

  // --- a function ---------------------------------------------------------------

  void function() {
    aliases.clear();
    fixed.clear();
    uses.clear();
    elementsAt.clear();
    changes.clear();
    std::set<View> vectors;
    for (View line : lines) {
      if (contains(line, " = addrspacecast ")) {
        Pointer from(between(line, " = addrspacecast ", " to "));
        if (from.isName)
          aliases.emplace(between(line, "  ", " = "), from);
      } else if (size_t at = line.find(" = getelementptr "); at != line.npos) {
        size_t base = line.find(" addrspace(2) ", at);
        if (base != line.npos && (line[base + 14] == '@' || fixed.contains(nameAt(line, base + 14))))
          fixed.insert(between(line, "  ", " = "));
      } else if (line.starts_with("  %") && contains(line, " = load <")) {
        vectors.insert(between(line, "  ", " = "));
      }
    }
    // `(void)x[i];` leaves no more than an address.
    std::map<View, size_t> unused;
    for (size_t i = 0; i < lines.size(); ++i)
      if (lines[i].starts_with("  %arrayidx") && contains(lines[i], " = getelementptr "))
        unused.emplace(between(lines[i], "  ", " = "), i);
    for (size_t i = 0; i < lines.size(); ++i)
      for (size_t at = lines[i].find('%', 3); at != View::npos; at = lines[i].find('%', at + 1))
        if (View name = nameAt(lines[i], at); vectors.contains(name))
          uses[name].push_back(i);
        else
          unused.erase(name);
    for (auto [name, i] : unused)
      named(i, name);
    for (size_t i = 0; i < lines.size(); ++i)
      instruction(i);
  }

  /// An element that nobody reads or writes.
  void named(size_t i, View name) {
    auto list = operands(lines[i], " = getelementptr ");
    std::erase_if(list, [](View part) { return part.starts_with("!"); });
    Pointer base(list.size() > 1 ? list[1] : View());
    for (View word : {"inbounds ", "nuw "})
      if (!list.empty() && list[0].starts_with(word))
        list[0].remove_prefix(word.size());
    if (isOurs(base) && list.size() == 3)
      elementsAt[i] = fmt::format("  call void @__msl_bounds(ptr {}, i64 {}, i64 0){}\n", name, bytesOf(list[0]),
                                  debugTail(lines[i]));
  }

  static View nameAt(View line, size_t at) { return line.substr(at, nameEnd(line, at) - at); }

  /// Where the pointer really leads, as far as that is known.
  Pointer resolved(Pointer p) const {
    for (auto alias = aliases.find(p.name); alias != aliases.end(); alias = aliases.find(p.name)) {
      int align = p.align;
      p = alias->second;
      p.align = align;
    }
    return p;
  }

  /// With the names of what was cast in place of the casts'.
  std::string resolved(View line) const {
    std::string text;
    size_t done = 0;
    for (size_t at = line.find('%'); !aliases.empty() && at != line.npos; at = line.find('%', at + 1)) {
      View name = nameAt(line, at);
      if (!aliases.contains(name) || (at == 2 && line.starts_with("  ")))
        continue;
      Pointer plain("ptr");
      plain.name = name;
      (text += line.substr(done, at - done)) += resolved(plain).name;
      done = at + name.size();
    }
    return text += line.substr(done);
  }

  void instruction(size_t i) {
    View line = lines[i];
    if (contains(line, " call ") && contains(line, "@llvm.mem"))
      return copy(line);
    if (contains(line, " call ") && contains(line, kLoader))
      return loadStruct(line);
    Plain access(line);
    Pointer pointer = resolved(Pointer(access.isAccess ? access.pointer : View()));
    if (!access.isAccess || !pointer.isName || pointer.space == kPrivate || pointer.name.starts_with("@") ||
        fixed.contains(pointer.name))
      putResolved(line);
    else if (pointer.space == kGeneric)
      generic(access, pointer, line);
    else if (Vector(access.type).count && !access.isStore)
      loadVector(i, access, pointer);
    else if (Vector(access.type).count)
      storeVector(i, access, pointer);
    else
      tell(access.isStore ? "write" : "read", pointer, bytesOf(access.type), access.align, line), putTold(line);
    if (auto after = elementsAt.find(i); after != elementsAt.end())
      out += after->second;
  }

  void putResolved(View line) { put(aliases.empty() ? std::string(line) : resolved(line)); }
  void putTold(View line) { put(resolved(line) + ", !nosanitize !{}"); }

  void tell(View what, const Pointer &pointer, View bytes, int align, View line) {
    out += fmt::format("  call void @__msl_{}(ptr {}, i64 {}, i64 {}){}\n", what, pointer.name, bytes, align - 1,
                       debugTail(line));
  }

  /// clang's own check of alignment is for pointers without a space.
  void generic(const Plain &access, const Pointer &pointer, View line) {
    if (access.align > 1)
      out += fmt::format("  call void @__msl_alignment_check(ptr {}, i64 {}){}\n", pointer.name, access.align - 1,
                         debugTail(line));
    putResolved(line);
  }

  /// A struct's copy is told member by member, because nobody need have written its padding.
  void copy(View line) {
    bool set = contains(line, "@llvm.memset.");
    View call = line.substr(line.find("@llvm.mem"));
    std::vector<View> list = parts(between(call, "(", ")"));
    if (list.size() == 4 && list[2].starts_with("i64 ")) {
      Pointer to = resolved(Pointer(list[0])), from = resolved(Pointer(list[1]));
      if (!set)
        copied(from, layout(line), line);
      if (isOurs(to))
        tell("write", to, list[2].substr(4), to.align, line);
    }
    putResolved(line);
  }

  /// The same by the shim: %s = call %struct.S @load(ptr addrspace(4) align 4 dereferenceable(12) %p)
  void loadStruct(View line) {
    View call = line.substr(line.find(kLoader));
    auto loader = loaders.find(nameAt(call, 0));
    std::vector<View> list = parts(between(call, "(", ") #"));
    if (loader != loaders.end() && !list.empty())
      copied(resolved(Pointer(list.back())), loader->second, line);
    putResolved(line);
  }

  void copied(const Pointer &from, View layout, View line) {
    auto known = structs.find(layout);
    if (!isOurs(from) || known == structs.end())
      return;
    View members = known->second;
    for (size_t at = members.find("i64 "); at != members.npos;) {
      size_t size = members.find("i64 ", at + 4);
      out +=
          fmt::format("  call void @__msl_peek(ptr {}, i64 {}, i64 {}, i64 {}){}\n", from.name,
                      toInt(members.substr(at + 4)), toInt(members.substr(size + 4)), from.align - 1, debugTail(line));
      at = members.find("i64 ", size + 4);
    }
  }

  /// "!69" of ", !tbaa.struct !69".
  static View layout(View line) {
    size_t at = line.find("!tbaa.struct ");
    return at == line.npos ? View() : line.substr(at + 13, line.find(',', at + 13) - at - 13);
  }

  bool isOurs(const Pointer &p) const {
    return p.isName && isShared(p.space) && !p.name.starts_with("@") && !fixed.contains(p.name);
  }

  // --- vectors ------------------------------------------------------------------

  /// From this load to the store of the same vector there is nothing but a change of some elements.
  std::optional<std::pair<size_t, Elements>> change(size_t load, const Plain &access) {
    std::map<View, std::vector<int>> values;
    Vector type(access.type);
    Elements elements;
    View changed; ///< the vector with an element at `index`
    std::vector<int> identity;
    for (int i = 0; i < type.count; ++i)
      identity.push_back(i);
    values[access.value] = identity;
    bool three = false;
    auto lanes = [&](View part) {
      auto known = values.find(valueOf(part));
      bool poison = valueOf(part) == "poison" || valueOf(part) == "undef";
      return known != values.end()
                 ? known->second
                 : std::vector<int>(static_cast<size_t>(Vector(leadingType(part)).count), poison ? kNothing : kNew);
    };
    for (size_t i = load + 1; i < lines.size() && i <= load + kMostSteps; ++i) {
      View line = lines[i], name = between(line, "  ", " = ");
      if (auto list = operands(line, " = shufflevector "); list.size() >= 3) {
        std::vector<int> both = lanes(list[0]), more = lanes(list[1]), to;
        both.insert(both.end(), more.begin(), more.end());
        for (int from : mask(list[2]))
          to.push_back(from < 0 || static_cast<size_t>(from) >= both.size() ? kNothing
                                                                            : both[static_cast<size_t>(from)]);
        three |= type.count == 4 && to.size() == 3 && valueOf(list[0]) == access.value;
        if (!changed.empty() && (valueOf(list[0]) == changed || valueOf(list[1]) == changed))
          changed = name;
        values[name] = std::move(to);
      } else if (auto insert = operands(line, " = insertelement "); insert.size() >= 3) {
        std::vector<int> to = lanes(insert[0]);
        View index = valueOf(insert[2]);
        if (index.starts_with("%")) {
          if (!elements.index.empty() || !values.contains(valueOf(insert[0])))
            return std::nullopt;
          elements.indexType = leadingType(insert[2]);
          elements.index = index;
          elements.value = valueOf(insert[1]);
          changed = name;
        } else if (static_cast<size_t>(toInt(index)) < to.size()) {
          to[static_cast<size_t>(toInt(index))] = kNew;
        }
        values[name] = std::move(to);
      } else {
        Plain store(line);
        if (!store.isAccess || !store.isStore || store.type != access.type || store.pointer != access.pointer ||
            !values.contains(store.value) || (!elements.index.empty() && store.value != changed))
          return std::nullopt;
        const std::vector<int> &to = values[store.value];
        for (size_t lane = 0; lane < to.size(); ++lane)
          elements.marked.push_back(to[lane] != static_cast<int>(lane) && to[lane] != kNothing);
        if (three && elements.marked[2])
          elements.marked[3] = true; // what is behind the last element of three is copied with it
        return std::pair(i, elements);
      }
    }
    return std::nullopt;
  }

  /// The elements of a loaded vector that are used; none if all may be.
  std::optional<Elements> usedElements(const Plain &access) {
    Vector type(access.type);
    Elements elements;
    elements.marked.resize(static_cast<size_t>(type.count));
    auto known = uses.find(access.value);
    if (known == uses.end())
      return std::nullopt;
    for (size_t i : known->second) {
      if (auto extract = operands(lines[i], " = extractelement "); extract.size() >= 2) {
        View index = valueOf(extract[1]);
        if (index.starts_with("%")) {
          if (known->second.size() > 1)
            return std::nullopt;
          elements.indexType = leadingType(extract[1]);
          elements.index = index;
        } else if (static_cast<size_t>(toInt(index)) < elements.marked.size()) {
          elements.marked[static_cast<size_t>(toInt(index))] = true;
        }
      } else if (auto shuffle = operands(lines[i], " = shufflevector "); shuffle.size() >= 3) {
        if (valueOf(shuffle[0]) != access.value || valueOf(shuffle[1]) != "poison")
          return std::nullopt;
        for (int from : mask(shuffle[2]))
          if (from >= 0 && static_cast<size_t>(from) < elements.marked.size())
            elements.marked[static_cast<size_t>(from)] = true;
      } else {
        return std::nullopt;
      }
    }
    return elements;
  }

  void loadVector(size_t i, const Plain &access, const Pointer &pointer) {
    View line = lines[i];
    std::string bytes = bytesOf(access.type);
    if (auto to = change(i, access)) { // told by the store
      changes[to->first] = to->second;
      return putTold(line);
    }
    auto used = usedElements(access);
    if (!used || used->all()) {
      tell("read", pointer, bytes, access.align, line);
    } else if (!used->index.empty()) {
      tell("bounds", pointer, bytes, access.align, line);
      elementsAt[uses[access.value][0]] = element("read", *used, access, pointer, line);
    } else {
      forEachRun(*used, [&](int first, int count) { tellElements("read", pointer, access, first, count, line); });
    }
    putTold(line);
  }

  void storeVector(size_t i, const Plain &access, const Pointer &pointer) {
    View line = lines[i];
    auto part = changes.find(i);
    if (part == changes.end()) {
      tell("write", pointer, bytesOf(access.type), access.align, line);
      return putTold(line);
    }
    Elements elements = std::move(part->second);
    changes.erase(part);
    Vector type(access.type);
    std::string tail = fmt::format("align {}{}, !nosanitize !{{}}\n", type.size, debugTail(line));
    if (!elements.index.empty()) {
      out += element("write", elements, access, pointer, line);
      out += fmt::format("  store {} {}, ptr %__element{}, {}", type.element, elements.value, fresh - 1, tail);
      return;
    }
    forEachRun(elements, [&](int first, int count) {
      tellElements("write", pointer, access, first, count, line);
      for (int lane = first; lane < first + count; ++lane, ++fresh)
        out += fmt::format("  %__value{0} = extractelement {1} {2}, i64 {3}{7}\n"
                           "  %__element{0} = getelementptr inbounds {4}, ptr {5}, i64 {3}{7}\n"
                           "  store {4} %__value{0}, ptr %__element{0}, {6}",
                           fresh, access.type, access.value, lane, type.element, pointer.name, tail, debugTail(line));
    });
  }

  template <class F> static void forEachRun(const Elements &elements, F f) {
    const std::vector<bool> &marked = elements.marked;
    for (size_t i = 0; i < marked.size(); ++i) {
      size_t first = i;
      while (i < marked.size() && marked[i])
        ++i;
      if (i > first)
        f(static_cast<int>(first), static_cast<int>(i - first));
    }
  }

  void tellElements(View what, const Pointer &pointer, const Plain &access, int first, int count, View line) {
    Vector type(access.type);
    out += fmt::format("  call void @__msl_{}_part(ptr {}, i64 {}, i64 {}, i64 {}, i64 {}){}\n", what, pointer.name,
                       type.count * type.size, access.align - 1, first * type.size, count * type.size, debugTail(line));
  }

  /// The same of an element that is known when the kernel runs; its address is %__element.
  std::string element(View what, const Elements &elements, const Plain &access, const Pointer &pointer, View line) {
    Vector type(access.type);
    std::string text;
    std::string index(elements.index);
    View tail = debugTail(line);
    if (elements.indexType != "i64") {
      text += fmt::format("  %__index{} = zext {} {} to i64{}\n", fresh, elements.indexType, index, tail);
      index = fmt::format("%__index{}", fresh);
    }
    text += fmt::format("  %__element{0} = getelementptr {1}, ptr {2}, i64 {3}{4}\n"
                        "  %__offset{0} = mul i64 {3}, {5}{4}\n"
                        "  call void @__msl_{6}_part(ptr {2}, i64 {7}, i64 {8}, i64 %__offset{0}, i64 {5}){4}\n",
                        fresh, type.element, pointer.name, index, tail, type.size, what, type.count * type.size,
                        access.align - 1);
    ++fresh;
    return text;
  }

  View ir;
  std::string out;
  std::map<View, View> structs; ///< "!69": offsets and sizes of members
  std::map<View, View> loaders; ///< functions of the shim that copy a struct: its members
  std::set<std::string> declared;
  int fresh = 0;

  // Of the function:
  std::vector<View> lines;
  std::map<View, Pointer> aliases;          ///< what was cast to another address space
  std::set<View> fixed;                     ///< addresses in constants of the text, whose bounds clang checks
  std::map<View, std::vector<size_t>> uses; ///< lines that use a loaded vector
  std::map<size_t, std::string> elementsAt; ///< what comes behind a line
  std::map<size_t, Elements> changes;       ///< what a store writes, by its line
};

} // namespace

std::string tq::metal::tellAccesses(std::string_view ir) { return Teller(ir).run(); }

std::string_view tq::metal::accessDeclarations() {
  // The calls touch no memory that the kernel sees, so values stay in registers across them. They may not return, so
  // nothing that can fault comes before them, and none of two in different branches is taken for the other's.
  return "declare void @__msl_read(ptr, i64, i64) #9000000\n"
         "declare void @__msl_write(ptr, i64, i64) #9000000\n"
         "declare void @__msl_bounds(ptr, i64, i64) #9000000\n"
         "declare void @__msl_peek(ptr, i64, i64, i64) #9000000\n"
         "declare void @__msl_read_part(ptr, i64, i64, i64, i64) #9000000\n"
         "declare void @__msl_write_part(ptr, i64, i64, i64, i64) #9000000\n"
         "declare void @__msl_bad_alignment(ptr, i64) noreturn nounwind nomerge\n"
         "attributes #9000000 = { nocallback nomerge nounwind memory(inaccessiblemem: readwrite) }\n"
         "define internal void @__msl_alignment_check(ptr %p, i64 %mask) alwaysinline {\n"
         "  %address = ptrtoint ptr %p to i64\n"
         "  %low = and i64 %address, %mask\n"
         "  %bad = icmp ne i64 %low, 0\n"
         "  br i1 %bad, label %no, label %yes\n"
         "no:\n"
         "  call void @__msl_bad_alignment(ptr %p, i64 %mask)\n"
         "  unreachable\n"
         "yes:\n"
         "  ret void\n"
         "}";
}
