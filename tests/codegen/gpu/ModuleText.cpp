//===- ModuleText.cpp - Small models as tq IR -----------------------------===//

#include "tests/codegen/gpu/ModuleText.h"

#include <map>

using namespace tq::test;

namespace {
using Size = int64_t;
std::string number(Size n) { return std::to_string(n); }
std::string rows(std::initializer_list<Size> sizes, const std::string &basis = "") {
  std::string text = "tensor<?x";
  for (Size size : sizes)
    text += number(size) + "x";
  return text + "f32" + (basis.empty() ? "" : ", #tq.basis<@" + basis + ">") + ">";
}

/// Writes a module: symbols, then the body of @forward.
class Writer {
public:
  std::string fresh() { return "%v" + number(count++); }
  void line(const std::string &text) { body += "  " + text + "\n"; }
  void symbol(const std::string &text) { symbols += text + "\n"; }

  std::string weightType(Size n, Size k, const std::string &encoding, const std::string &basis) {
    return "!tq.packed<" + number(n) + "x" + number(k) + "xf32, " + encoding + (basis.empty() ? "" : ", @" + basis) +
           ">";
  }
  /// A matrix, dequantised.
  std::string weight(const std::string &name, Size n, Size k, const std::string &encoding,
                     const std::string &basis = "") {
    std::string type = weightType(n, k, encoding, basis);
    std::string values =
        "tensor<" + number(n) + "x" + number(k) + "xf32" + (basis.empty() ? "" : ", #tq.basis<@" + basis + ">") + ">";
    symbol("tq.weight @" + name + " role \"mlp\" : " + type + " from \"" + name + "\"");
    std::string packed = fresh(), dequant = fresh();
    line(packed + " = tq.get_weight @" + name + " : " + type);
    bool codebook = encoding.find("codebook") != std::string::npos;
    line(dequant + " = tq." + (codebook ? "codebook_dequant " : "dequant ") + packed + " : " + type + " -> " + values);
    return dequant;
  }
  std::string vector(const std::string &name, Size n, const std::string &role = "norm") {
    if (!vectors.contains(name))
      symbol("tq.weight @" + name + " role \"" + role + "\" : !tq.packed<" + number(n) +
             "xf32, #tq.dense<f32>> from \"" + name + "\"");
    vectors[name] = n;
    std::string value = fresh();
    line(value + " = tq.get_weight @" + name + " : tensor<" + number(n) + "xf32>");
    return value;
  }
  std::string linear(const std::string &x, const std::string &name, Size n, Size k, const std::string &encoding,
                     const std::string &basis = "") {
    std::string w = weight(name, n, k, encoding, basis), y = fresh();
    std::string wType =
        "tensor<" + number(n) + "x" + number(k) + "xf32" + (basis.empty() ? "" : ", #tq.basis<@" + basis + ">") + ">";
    line(y + " = tq.linear " + x + ", " + w + " : (" + rows({k}, basis) + ", " + wType + ") -> " + rows({n}));
    return y;
  }
  std::string embed(Size vocab, Size hidden, const std::string &encoding) {
    std::string table = weight("table", vocab, hidden, encoding), y = fresh();
    line(y + " = tq.embed " + table + ", %ids : (tensor<" + number(vocab) + "x" + number(hidden) +
         "xf32>, tensor<?xi32>) -> " + rows({hidden}));
    return y;
  }
  std::string norm(const std::string &x, const std::string &name, Size n, const std::string &type) {
    std::string gain = vector(name, n), y = fresh();
    line(y + " = tq.rms_norm " + x + ", " + gain + " : tensor<" + number(n) + "xf32> {eps = 1.0e-5 : f32} : " + type +
         " -> " + type);
    return y;
  }
  std::string rotate(const std::string &x, Size n, Size block, const std::string &name, bool inverse = false) {
    if (block == 0)
      return x;
    if (!vectors.contains(name))
      symbol("tq.rotation @" + name + " dim " + number(n) + " block " + number(block) + " seed 7");
    vectors[name] = n;
    std::string y = fresh(), plain = rows({n}), rotated = rows({n}, name);
    line(y + " = tq.rotate " + x + " by @" + name +
         (inverse ? " inverse : " + rotated + " -> " + plain : " : " + plain + " -> " + rotated));
    return y;
  }
  std::string reshape(const std::string &x, const std::string &from, const std::string &to) {
    std::string y = fresh();
    line(y + " = tq.reshape " + x + " : " + from + " -> " + to);
    return y;
  }
  std::string add(const std::string &x, const std::string &y, Size n) {
    std::string z = fresh();
    line(z + " = arith.addf " + x + ", " + y + " : " + rows({n}));
    return z;
  }
  std::string finish(const std::string &result, Size n) {
    return symbols + "func.func @forward(%ids: tensor<?xi32>, %pos: tensor<?xi32>) -> " + rows({n}) + " {\n" + body +
           "  return " + result + " : " + rows({n}) + "\n}\n";
  }

private:
  std::string symbols, body;
  std::map<std::string, Size> vectors;
  int count = 0;
};
} // namespace

std::string tq::test::linearChain(const std::string &encoding, const std::vector<int64_t> &widths,
                                  const std::string &tableEncoding) {
  Writer w;
  std::string x = w.embed(48, widths[0], tableEncoding);
  for (size_t i = 1; i < widths.size(); ++i)
    x = w.linear(x, "w" + number(Size(i)), widths[i], widths[i - 1], encoding);
  return w.finish(x, widths.back());
}

std::string tq::test::transformer(const Transformer &m) {
  Writer w;
  Size q = m.heads * m.headDim, kv = m.kvHeads * m.headDim, angles = (m.rotaryDims ? m.rotaryDims : m.headDim) / 2;
  std::string r = m.block ? "r" : "", ri = m.innerBlock ? "ri" : "";
  std::string x = w.embed(m.vocab, m.hidden, "#tq.dense<f16>");
  std::string n = w.rotate(w.norm(x, "norm1", m.hidden, rows({m.hidden})), m.hidden, m.block, "r");
  auto project = [&](const std::string &name, Size width, Size heads) {
    std::string y = w.linear(n, name, width, m.hidden, m.encoding, r);
    if (m.bias) {
      std::string bias = w.vector(name + "_bias", width, "mlp"), sum = w.fresh();
      w.line(sum + " = tq.add_bias " + y + ", " + bias + " : (" + rows({width}) + ", tensor<" + number(width) +
             "xf32>) -> " + rows({width}));
      y = sum;
    }
    return w.reshape(y, rows({width}), rows({heads, m.headDim}));
  };
  std::string qh = project("q", q, m.heads), kh = project("k", kv, m.kvHeads), vh = project("v", kv, m.kvHeads);
  if (m.headNorm) {
    qh = w.norm(qh, "q_norm", m.headDim, rows({m.heads, m.headDim}));
    kh = w.norm(kh, "k_norm", m.headDim, rows({m.kvHeads, m.headDim}));
  }
  std::string frequencies = w.vector("frequencies", angles, "constant"), table = rows({angles});
  w.line("%cos, %sin = tq.rope_table %pos, " + frequencies + " {factor = 1.25 : f32} : (tensor<?xi32>, tensor<" +
         number(angles) + "xf32>) -> (" + table + ", " + table + ")");
  auto rope = [&](const std::string &x, Size heads) {
    std::string y = w.fresh(), type = rows({heads, m.headDim});
    w.line(y + " = tq.rope " + x + ", %cos, %sin : (" + type + ", " + table + ", " + table + ") -> " + type);
    return y;
  };
  qh = rope(qh, m.heads), kh = rope(kh, m.kvHeads);
  std::string state = "!tq.kv<heads = " + number(m.kvHeads) + ", k = " + number(m.headDim) +
                      ", v = " + number(m.headDim) + ", kEncoding = #tq.dense<" + m.stateType +
                      ">, vEncoding = #tq.dense<" + m.stateType + ">>";
  w.symbol("tq.state @kv : " + state);
  std::string handle = w.fresh(), o = w.fresh(), kvType = rows({m.kvHeads, m.headDim}),
              qType = rows({m.heads, m.headDim});
  w.line(handle + " = tq.get_state @kv : " + state);
  w.line("tq.kv_append " + handle + ", " + kh + ", " + vh + ", %pos : " + state + ", " + kvType + ", " + kvType +
         ", tensor<?xi32>");
  w.line(o + " = tq.sdpa " + qh + ", " + handle + ", %pos {scale = 0.3 : f32, window = " + number(m.window) +
         " : i64} : (" + qType + ", " + state + ", tensor<?xi32>) -> " + qType);
  o = w.reshape(o, qType, rows({q}));
  x = w.add(x, w.linear(o, "o", m.hidden, q, m.encoding), m.hidden);
  n = w.rotate(w.norm(x, "norm2", m.hidden, rows({m.hidden})), m.hidden, m.block, "r");
  std::string gate = w.linear(n, "gate", m.inner, m.hidden, m.encoding, r);
  std::string up = w.linear(n, "up", m.inner, m.hidden, m.encoding, r), act = w.fresh();
  w.line(act + " = tq.glu " + m.activation + " " + gate + ", " + up + " : " + rows({m.inner}));
  act = w.rotate(act, m.inner, m.innerBlock, "ri");
  x = w.add(x, w.linear(act, "down", m.hidden, m.inner, m.encoding, ri), m.hidden);
  std::string last = w.fresh();
  w.line(last + " = tq.take_rows " + x + " : " + rows({m.hidden}) + " -> " + rows({m.hidden}));
  last = w.norm(last, "norm3", m.hidden, rows({m.hidden}));
  if (m.headBack) // there and back again: the inverse transform
    last = w.rotate(w.rotate(last, m.hidden, m.block, "rb"), m.hidden, m.block, "rb", true);
  return w.finish(w.linear(last, "head", m.vocab, m.hidden, "#tq.dense<bf16>"), m.vocab);
}
