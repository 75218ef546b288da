//===- TQDialect.td - The dialect and what all definitions share ----------===//
#ifndef TQ_DIALECT_TD
#define TQ_DIALECT_TD

include "mlir/IR/OpBase.td"

def TQ_Dialect : Dialect {
  let name = "tq";
  let cppNamespace = "::tq";
  let summary = "quantised language models as dataflow graphs";
  let description = [{
    Tensor-level ops of quantised transformers (rotation, codebook dequantisation, attention over paged states), and the
    structure around them: weights and states as symbols, launches, kernels and launch tables. The only dynamic size
    is dimension 0 of an activation: the number of tokens in the step.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let extraClassDeclaration = [{
    void registerAttributesAndTypes();
    void registerStructureOps();
    void registerKernelOps();
  }];
}

class TQ_Op<string mnemonic, list<Trait> traits = []> : Op<TQ_Dialect, mnemonic, traits>;

#endif
