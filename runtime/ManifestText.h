//===- ManifestText.h - Spellings of manifest.json --------------*- C++ -*-===//
// What ManifestReader.cpp and ManifestWriter.cpp must agree on.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_MANIFESTTEXT_H
#define TQ_RUNTIME_MANIFESTTEXT_H

#include "runtime/PackageFormat.h"

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>

namespace tq {

/// How the text opens; the hash's digits follow.
inline constexpr std::string_view kHashPrefix = "{\"hash\":\"";
/// By Param.
inline constexpr std::array<const char *, kParamCount> kParamNames = {"n_tokens", "pos", "n_out"};
/// By Binding::Kind: the key of its first field, which tells the kinds apart.
inline constexpr std::array<const char *, 4> kBindingNames = {"arena", "section", "state", "page_table"};

template <class T, class Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

// visit(key, member) for every field, in the text's order; visit.orZero(key, member) where the text may leave out a 0.
// A Binding is one of four and has no list.

void visitFields(Is<Port> auto &port, auto &&visit) {
  visit("name", port.name);
  visit("offset", port.offset);
  visit("bytes", port.bytes);
  visit("row_stride", port.row_stride);
}

void visitFields(Is<Step> auto &step, auto &&visit) {
  visit("kernel", step.kernel);
  visit("label", step.label);
  visit("tasks", step.tasks);
  visit("grain", step.grain);
  visit("barrier", step.barrier);
  visit("bindings", step.bindings);
  visit("weight_bytes", step.weight_bytes);
  visit("flops_per_token", step.flops_per_token);
  visit.orZero("simdgroups", step.simdgroups);
}

void visitFields(Is<Entry> auto &entry, auto &&visit) {
  visit("name", entry.name);
  visit("max_tokens", entry.max_tokens);
  visit("max_out", entry.max_out);
  visit("arena_bytes", entry.arena_bytes);
  visit("scratch_bytes", entry.scratch_bytes);
  visit("inputs", entry.inputs);
  visit("outputs", entry.outputs);
  visit("steps", entry.steps);
}

void visitFields(Is<Target> auto &target, auto &&visit) {
  visit("name", target.name);
  visit("device", target.device);
  visit("features", target.features);
  visit("library", target.library);
  visit("activations", target.activations);
  visit("entries", target.entries);
}

void visitFields(Is<Section> auto &section, auto &&visit) {
  visit("name", section.name);
  visit("file", section.file);
  visit("offset", section.offset);
  visit("bytes", section.bytes);
  visit("hash", section.hash);
  visit("role", section.role);
}

void visitFields(Is<File> auto &file, auto &&visit) {
  visit("name", file.name);
  visit("bytes", file.bytes);
  visit("hash", file.hash);
}

void visitFields(Is<State> auto &state, auto &&visit) {
  visit("name", state.name);
  visit("page_tokens", state.page_tokens);
  visit("page_bytes", state.page_bytes);
}

void visitFields(Is<Model> auto &model, auto &&visit) {
  visit("type", model.type);
  visit("source", model.source);
  visit("vocab", model.vocab);
  visit("hidden", model.hidden);
  visit("layers", model.layers);
  visit("context", model.context);
  visit("parameters", model.parameters);
  visit("bos", model.bos);
  visit("eos", model.eos);
  visit("generation", model.generation);
}

void visitFields(Is<Manifest> auto &manifest, auto &&visit) {
  visit("version", manifest.version);
  visit("producer", manifest.producer);
  visit("model", manifest.model);
  visit("sections", manifest.sections);
  visit("files", manifest.files);
  visit("states", manifest.states);
  visit("targets", manifest.targets);
}

} // namespace tq

#endif // TQ_RUNTIME_MANIFESTTEXT_H
