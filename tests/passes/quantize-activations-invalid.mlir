// RUN: tq-opt --tq-quantize-activations=activations=int4 -verify-diagnostics %s

// expected-error @+1 {{unknown activations 'int4'; there are int8, int16, f32}}
module {
}
