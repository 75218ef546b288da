//===- EmitMetal.cpp - Kernel IR to Metal Shading Language ----------------===//
// Before:  gpu.func in gpu, scf, arith, math, vector and memref ops, as --tq-verify-kernels wants them
// After:   one `kernel void` each: bindings in the order of the arguments, inputs only where they are read, loops as loops
// Examples: tests/codegen/metal/emit-*.mlir

#include "codegen/metal/EmitMetal.h"
#include "codegen/metal/KernelPrinter.h"
#include "codegen/metal/VerifyKernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tq;
using namespace tq::msl;

//===-- signature -----------------------------------------------------------------------------------------------===//

void KernelPrinter::nameBuiltins() {
  bool readsLane = false, readsSimdgroup = false, readsGroup = false, readsGroups = false;
  func.walk([&](Operation *op) {
    if (op->use_empty())
      return;
    auto isX = [&](gpu::Dimension dimension) { return dimension == gpu::Dimension::x; };
    if (isa<gpu::LaneIdOp>(op))
      readsLane = true;
    if (auto id = dyn_cast<gpu::ThreadIdOp>(op)) {
      readsLane |= isX(id.getDimension());
      readsSimdgroup |= id.getDimension() == gpu::Dimension::y;
    }
    if (auto id = dyn_cast<gpu::BlockIdOp>(op)) {
      readsGroup = true;
      groupIsVector |= !isX(id.getDimension());
    }
    if (auto dim = dyn_cast<gpu::GridDimOp>(op)) {
      readsGroups = true;
      groupIsVector |= !isX(dim.getDimension()); // all attributes of the grid must have one width
    }
  });
  if (readsLane)
    lane = names.take("lane");
  if (readsSimdgroup)
    simdgroup = names.take("simdgroup");
  if (readsGroup)
    group = names.take("group");
  if (readsGroups)
    groups = names.take("groups");
}

static StringRef argumentName(gpu::GPUFuncOp func, BlockArgument argument) {
  unsigned number = argument.getArgNumber(), inputs = func.getFunctionType().getNumInputs();
  unsigned workgroup = func.getNumWorkgroupAttributions();
  Attribute name;
  if (number < inputs)
    name = func.getArgAttr(number, "tq.name");
  else if (number < inputs + workgroup)
    name = func.getWorkgroupAttributionAttr(number - inputs, "tq.name");
  else
    name = func.getPrivateAttributionAttr(number - inputs - workgroup, "tq.name");
  return name ? cast<StringAttr>(name).getValue() : nameOf(argument.getLoc());
}

void KernelPrinter::printSignature() {
  ArrayRef<int32_t> block = *func.getKnownBlockSize();
  if (auto comment = func->getAttrOfType<StringAttr>("tq.comment")) {
    SmallVector<StringRef> lines;
    comment.getValue().split(lines, '\n');
    for (StringRef text : lines)
      os << "// " << text.rtrim('\\') << "\n"; // a backslash would swallow the next line
  }
  os << "[[max_total_threads_per_threadgroup(" << block[0] * block[1] * block[2] << ")]]\n";
  std::string start = "kernel void " + func.getName().str() + "(";
  os << start;
  std::string nextLine = ",\n" + std::string(start.size(), ' ');
  llvm::ListSeparator comma(nextLine);
  unsigned inputs = func.getFunctionType().getNumInputs();
  for (BlockArgument argument : func.getArguments().take_front(inputs)) {
    unsigned number = argument.getArgNumber();
    StringRef wish = argumentName(func, argument);
    std::string name = names.take(wish.empty() ? "buffer" + llvm::utostr(number) : wish.str());
    variables[argument] = name;
    std::string element = typeName(cast<MemRefType>(argument.getType()).getElementType());
    os << comma;
    if (func.getArgAttr(number, "tq.params"))
      os << "constant int* "; // as the host writes it
    else
      os << "device " << (func.getArgAttr(number, LLVM::LLVMDialect::getReadonlyAttrName()) ? "const " : "") << element
         << "* ";
    os << name << " [[buffer(" << number << ")]]";
  }
  auto builtin = [&](StringRef type, StringRef name, StringRef attribute) {
    if (!name.empty())
      os << comma << type << " " << name << " [[" << attribute << "]]";
  };
  StringRef gridType = groupIsVector ? "uint3" : "uint";
  builtin(gridType, group, "threadgroup_position_in_grid");
  builtin(gridType, groups, "threadgroups_per_grid");
  builtin("uint", simdgroup, "simdgroup_index_in_threadgroup");
  builtin("uint", lane, "thread_index_in_simdgroup");
  os << ") {\n";
}

void KernelPrinter::printAttributions() {
  auto print = [&](BlockArgument argument, StringRef space, StringRef fallback, Attribute alignment) {
    auto type = cast<MemRefType>(argument.getType());
    StringRef wish = argumentName(func, argument);
    std::string name = names.take(wish.empty() ? fallback : wish);
    variables[argument] = name;
    line();
    if (alignment && cast<mlir::IntegerAttr>(alignment).getInt() > type.getElementTypeBitWidth() / 8)
      os << "alignas(" << cast<mlir::IntegerAttr>(alignment).getInt() << ") "; // C++ wants it first
    os << space << typeName(type.getElementType()) << " " << name << "[" << type.getNumElements() << "];\n";
  };
  StringRef align = LLVM::LLVMDialect::getAlignAttrName();
  for (auto [i, argument] : llvm::enumerate(func.getWorkgroupAttributions()))
    print(argument, "threadgroup ", "shared", func.getWorkgroupAttributionAttr(i, align));
  for (auto [i, argument] : llvm::enumerate(func.getPrivateAttributions()))
    print(argument, "", "array", func.getPrivateAttributionAttr(i, align));
}

bool KernelPrinter::sharesDeviceMemory() {
  unsigned inputs = func.getFunctionType().getNumInputs();
  return llvm::any_of(func.getArguments().take_front(inputs), [](BlockArgument argument) {
    bool isLoaded = false, isStored = false;
    for (Operation *user : argument.getUsers()) {
      bool both = isa<memref::AtomicRMWOp>(user);
      isLoaded |= both || isa<memref::LoadOp, vector::LoadOp, gpu::SubgroupMmaLoadMatrixOp>(user);
      isStored |= both || isa<memref::StoreOp, vector::StoreOp, gpu::SubgroupMmaStoreMatrixOp>(user);
    }
    return isLoaded && isStored;
  });
}

void KernelPrinter::print() {
  names.take(func.getName());
  nameBuiltins();
  printSignature();
  openBlock();
  printAttributions();
  printBlock(func.getBody().front());
  closeBlock();
  os << "}\n";
}

//===-- module --------------------------------------------------------------------------------------------------===//

LogicalResult tq::emitMetal(ModuleOp module, raw_ostream &os, const MslOptions &options) {
  std::pair version{options.major, options.minor};
  llvm::StringSet<> names;
  for (gpu::GPUModuleOp kernels : module.getOps<gpu::GPUModuleOp>()) {
    if (failed(verifyKernels(kernels)))
      return failure();
    for (auto func : kernels.getOps<gpu::GPUFuncOp>()) {
      if (!names.insert(func.getName()).second)
        return func.emitOpError("is the second kernel of this name; all kernels of a package are in one text");
      auto usesBFloat = [](Type type) {
        auto shaped = dyn_cast<ShapedType>(type);
        return (shaped ? shaped.getElementType() : type).isBF16();
      };
      bool hasBFloat = llvm::any_of(func.getBody().getArgumentTypes(), usesBFloat);
      func.walk([&](Operation *op) { hasBFloat |= llvm::any_of(op->getResultTypes(), usesBFloat); });
      if (hasBFloat && version < std::pair(3u, 1u))
        return func.emitOpError() << "uses bf16, which needs MSL 3.1, but the text is to be MSL " << version.first
                                  << "." << version.second << "; raise --msl-version";
    }
  }
  os << "// Metal Shading Language " << version.first << "." << version.second
     << ". Generated by tq: the package's launch table has each kernel's grid and bindings.\n"
     << "#include <metal_stdlib>\n"
     << "using namespace metal;\n";
  if (!options.fastMath) {
    // The order of operations is part of the result. Older versions take this from the compile options alone.
    if (version >= std::pair(3u, 2u))
      os << "#pragma METAL fp math_mode(safe)\n";
    os << "#pragma METAL fp contract(off)\n";
  }
  for (gpu::GPUModuleOp kernels : module.getOps<gpu::GPUModuleOp>())
    for (auto func : kernels.getOps<gpu::GPUFuncOp>()) {
      os << "\n";
      KernelPrinter(func, options, os).print();
    }
  return success();
}
