//===- VerifyKernels.cpp - The form in which kernels can be printed -------===//
// Checks only. Modules, signatures and arrays are here, ops in VerifyOps.cpp; the rules are listed in VerifyKernels.h.
// Examples: tests/codegen/metal/verify-kernels.mlir, verify-kernels-invalid.mlir

#include "codegen/metal/VerifyKernels.h"
#include "codegen/metal/Spellings.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tq::msl {

/// Metal has 31 buffer slots, 1024 threads in a threadgroup and 32 KiB for them on every Apple GPU since Apple7.
static constexpr unsigned kMaxBindings = 31, kMaxThreads = 1024, kMaxThreadgroupBytes = 32 * 1024;

static bool isMemoryElement(Type type) {
  return type.isF32() || type.isF16() || type.isBF16() || type.isInteger(8) || type.isInteger(16) ||
         type.isInteger(32) || type.isInteger(64);
}

static int64_t elementBytes(MemRefType type) { return type.getElementTypeBitWidth() / 8; }

int64_t alignmentOf(gpu::GPUFuncOp func, BlockArgument memref) {
  unsigned number = memref.getArgNumber(), inputs = func.getFunctionType().getNumInputs();
  unsigned workgroup = func.getNumWorkgroupAttributions();
  StringRef name = LLVM::LLVMDialect::getAlignAttrName();
  Attribute align;
  if (number < inputs)
    align = func.getArgAttr(number, name);
  else if (number < inputs + workgroup)
    align = func.getWorkgroupAttributionAttr(number - inputs, name);
  else
    align = func.getPrivateAttributionAttr(number - inputs - workgroup, name);
  auto bytes = dyn_cast_or_null<mlir::IntegerAttr>(align);
  return std::max(bytes ? bytes.getInt() : 1, elementBytes(cast<MemRefType>(memref.getType())));
}

/// What all arrays must be: static, row-major, of numbers, in the given address space.
static LogicalResult verifyArray(gpu::GPUFuncOp func, BlockArgument argument, gpu::AddressSpace space,
                                 const Twine &what, StringRef rule) {
  auto error = [&] { return func.emitOpError() << what; };
  auto type = dyn_cast<MemRefType>(argument.getType());
  if (!type)
    return error() << " is a " << argument.getType()
                   << "; bind a memref, and read numbers from the parameter block (tq.params) (" << rule << ")";
  if (!type.hasStaticShape())
    return error() << " has a dynamic size: " << type << "; give it the largest size that occurs (" << rule << ")";
  if (!type.getLayout().isIdentity())
    return error() << " has a layout: " << type << "; compute the index instead (" << rule << ")";
  auto given = dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace());
  if (!given || given.getValue() != space)
    return error() << " is not in #gpu.address_space<" << gpu::stringifyAddressSpace(space) << ">: " << type << " ("
                   << rule << ")";
  if (!isMemoryElement(type.getElementType()))
    return error() << " holds " << type.getElementType() << "; memory holds f32, f16, bf16, i8, i16, i32 or i64 ("
                   << rule << ")";
  if (type.getNumElements() < 1 || type.getNumElements() >= int64_t(1) << 31)
    return error() << " has " << type.getNumElements()
                   << " elements; an index has 31 bits, so there are 1 to 2^31 - 1 (" << rule << ")";
  return success();
}

static bool isStored(BlockArgument argument) {
  return llvm::any_of(argument.getUses(), [](OpOperand &use) {
    return isa<memref::StoreOp, vector::StoreOp, memref::AtomicRMWOp, gpu::SubgroupMmaStoreMatrixOp>(use.getOwner());
  });
}

static LogicalResult verifyArguments(gpu::GPUFuncOp func) {
  LogicalResult result = success();
  unsigned inputs = func.getFunctionType().getNumInputs(), blocks = 0;
  if (inputs > kMaxBindings)
    result = func.emitOpError() << "has " << inputs << " arguments, but Metal binds " << kMaxBindings
                                << " buffers (K2)";
  for (BlockArgument argument : func.getArguments().take_front(inputs)) {
    unsigned number = argument.getArgNumber();
    std::string what = "argument " + std::to_string(number);
    if (failed(verifyArray(func, argument, gpu::AddressSpace::Global, what, "K2"))) {
      result = failure();
      continue;
    }
    bool readonly = !!func.getArgAttr(number, LLVM::LLVMDialect::getReadonlyAttrName());
    if (func.getArgAttr(number, "tq.params")) {
      auto type = cast<MemRefType>(argument.getType());
      bool isLoaded = llvm::all_of(argument.getUsers(), [](Operation *user) { return isa<memref::LoadOp>(user); });
      if (type.getRank() != 1 || !type.getElementType().isInteger(32) || !readonly || !isLoaded)
        result = func.emitOpError() << what
                                    << " is the parameter block: it must be a memref<Nxi32> with llvm.readonly that "
                                    << "memref.load alone reads, but is " << type << " (K3)";
      if (++blocks > 1)
        result = func.emitOpError() << what << " is a second parameter block; there is one (K3)";
      continue;
    }
    if (!func.getArgAttr(number, LLVM::LLVMDialect::getNoAliasAttrName()))
      result = func.emitOpError() << what
                                  << " lacks llvm.noalias; Metal takes bindings not to overlap, so bind a buffer "
                                  << "once, for reading and writing (K2)";
    if (readonly == isStored(argument))
      result = func.emitOpError() << what
                                  << (readonly ? " is llvm.readonly but stored to"
                                               : " is never stored to, so it must be llvm.readonly")
                                  << " (K2)";
  }
  return result;
}

static LogicalResult verifyAttributions(gpu::GPUFuncOp func) {
  LogicalResult result = success();
  int64_t bytes = 0;
  for (auto [i, argument] : llvm::enumerate(func.getWorkgroupAttributions())) {
    if (failed(verifyArray(func, argument, gpu::AddressSpace::Workgroup, "workgroup array " + Twine(i), "K5"))) {
      result = failure();
      continue;
    }
    auto type = cast<MemRefType>(argument.getType());
    bytes = llvm::alignTo(bytes, alignmentOf(func, argument)) + type.getNumElements() * elementBytes(type);
  }
  if (bytes > kMaxThreadgroupBytes)
    result = func.emitOpError() << "has " << bytes << " bytes of threadgroup memory, but there are "
                                << kMaxThreadgroupBytes << "; use smaller tiles (K5)";
  for (auto [i, argument] : llvm::enumerate(func.getPrivateAttributions()))
    if (failed(verifyArray(func, argument, gpu::AddressSpace::Private, "private array " + Twine(i), "K5")))
      result = failure();
  return result;
}

static LogicalResult verifyKernel(gpu::GPUFuncOp func) {
  if (!func.isKernel())
    return func.emitOpError() << "is not a kernel; inline what a kernel calls (K1)";
  if (!isIdentifier(func.getName()))
    return func.emitOpError() << "has a name that MSL cannot have: '" << func.getName()
                              << "' is reserved or no identifier; rename it (K1)";
  if (!func.getBody().hasOneBlock())
    return func.emitOpError() << "has " << func.getBody().getBlocks().size()
                              << " blocks; control flow is scf.for, scf.if and scf.while (K1)";
  std::optional<ArrayRef<int32_t>> block = func.getKnownBlockSize();
  if (!block || (*block)[0] != 32 || (*block)[1] < 1 || (*block)[2] != 1 || (*block)[1] > int32_t(kMaxThreads / 32))
    return func.emitOpError() << "needs known_block_size = array<i32: 32, n, 1> with n from 1 to " << kMaxThreads / 32
                              << ": one simdgroup per row of threads (K4)";
  LogicalResult arguments = verifyArguments(func), attributions = verifyAttributions(func);
  return failure(failed(arguments) || failed(attributions) || failed(verifyOps(func)));
}

} // namespace tq::msl

LogicalResult tq::verifyKernels(gpu::GPUModuleOp module) {
  LogicalResult result = success();
  for (Operation &op : module.getBody()->getOperations()) {
    auto func = dyn_cast<gpu::GPUFuncOp>(op);
    if (!func)
      result = op.emitOpError() << "does not belong in a gpu.module; it holds kernels only (K1)";
    else if (failed(msl::verifyKernel(func)))
      result = failure();
  }
  return result;
}

namespace {
struct VerifyKernelsPass : PassWrapper<VerifyKernelsPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(VerifyKernelsPass)
  StringRef getArgument() const override { return "tq-verify-kernels"; }
  StringRef getDescription() const override { return "check that every kernel of every gpu.module can be printed"; }
  void runOnOperation() override {
    bool isValid = true;
    getOperation()->walk([&](gpu::GPUModuleOp module) { isValid &= succeeded(tq::verifyKernels(module)); });
    if (!isValid)
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace

void tq::registerVerifyKernels() { PassRegistration<VerifyKernelsPass>(); }
