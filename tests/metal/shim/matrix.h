//===- matrix.h - <metal_matrix> and <metal_simdgroup_matrix> -------------===//
#pragma clang system_header

namespace metal {
/// C columns of R rows, stored by columns: m[c][r].
template <class T, int C, int R> struct matrix {
  typedef vec<T, R> column;
  struct braces {
    T elements[R];
    constexpr column value() const {
      column v = (column)(T)0;
      for (int r = 0; r < R; ++r)
        v[r] = elements[r];
      return v;
    }
  };
  column columns[C];
  matrix() = default;
  matrix(const __generic matrix &) = default;
  matrix(constant const matrix &other) { // clang makes none for this space
    for (int c = 0; c < C; ++c)
      columns[c] = other.columns[c];
  }
  __generic matrix &operator=(const __generic matrix &) = default;
  constexpr explicit matrix(T diagonal) {
    for (int c = 0; c < C; ++c)
      columns[c] = (column)(T)0;
    for (int c = 0; c < C && c < R; ++c)
      columns[c][c] = diagonal;
  }
  template <class... A,
            typename ::__msl::enable<sizeof...(A) == C && (::__msl::same<A, column>::value && ...), int>::type = 0>
  constexpr matrix(A... all) : columns{all...} {}
  template <class... A,
            typename ::__msl::enable<sizeof...(A) == C * R && (::__msl::is_scalar<A>::value && ...), int>::type = 0>
  constexpr matrix(A... all) : columns{} {
    int i = 0;
    ((columns[i / R][i % R] = (T)all, ++i), ...);
  }
  // {{1, 2}, {3, 4}}
  template <int N = C, typename ::__msl::enable<N == 2, int>::type = 0>
  constexpr matrix(braces a, braces b) : columns{a.value(), b.value()} {}
  template <int N = C, typename ::__msl::enable<N == 3, int>::type = 0>
  constexpr matrix(braces a, braces b, braces c) : columns{a.value(), b.value(), c.value()} {}
  template <int N = C, typename ::__msl::enable<N == 4, int>::type = 0>
  constexpr matrix(braces a, braces b, braces c, braces d) : columns{a.value(), b.value(), c.value(), d.value()} {}
  template <class U, typename ::__msl::enable<!::__msl::same<U, T>::value, int>::type = 0>
  explicit matrix(matrix<U, C, R> other) {
    for (int c = 0; c < C; ++c)
      columns[c] = ::__msl::make<column>(other.columns[c]);
  }
  __generic column &operator[](int c) __MSL_BELOW(c, C) { return columns[::__msl::inside((ulong)c, C)]; }
  const __generic column &operator[](int c) const __MSL_BELOW(c, C) { return columns[::__msl::inside((ulong)c, C)]; }
  constant const column &operator[](int c) const constant __MSL_BELOW(c, C) {
    return columns[::__msl::inside((ulong)c, C)];
  }
  __generic matrix &operator+=(matrix m) { return *this = ::__msl::load<matrix>(*this) + m; }
  __generic matrix &operator-=(matrix m) { return *this = ::__msl::load<matrix>(*this) - m; }
  __generic matrix &operator*=(T s) { return *this = ::__msl::load<matrix>(*this) * s; }
  __generic matrix &operator*=(matrix<T, C, C> m) { return *this = ::__msl::load<matrix>(*this) * m; }
};
template <class T, int C, int R> inline vec<T, R> operator*(matrix<T, C, R> m, vec<T, C> v) {
  vec<T, R> r = m.columns[0] * v[0];
  for (int c = 1; c < C; ++c)
    r += m.columns[c] * v[c];
  return r;
}
template <class T, int C, int R> inline vec<T, C> operator*(vec<T, R> v, matrix<T, C, R> m) {
  vec<T, C> r;
  for (int c = 0; c < C; ++c)
    r[c] = dot(v, m.columns[c]);
  return r;
}
template <class T, int K, int R, int C> inline matrix<T, C, R> operator*(matrix<T, K, R> a, matrix<T, C, K> b) {
  matrix<T, C, R> r;
  for (int c = 0; c < C; ++c)
    r.columns[c] = a * b.columns[c];
  return r;
}
#define __MSL_MATRIX_OP(op)                                                                                            \
  template <class T, int C, int R> inline matrix<T, C, R> operator op(matrix<T, C, R> a, matrix<T, C, R> b) {          \
    for (int c = 0; c < C; ++c)                                                                                        \
      a.columns[c] = a.columns[c] op b.columns[c];                                                                     \
    return a;                                                                                                          \
  }
__MSL_MATRIX_OP(+)
__MSL_MATRIX_OP(-)
template <class T, int C, int R> inline matrix<T, C, R> operator-(matrix<T, C, R> m) {
  for (int c = 0; c < C; ++c)
    m.columns[c] = -m.columns[c];
  return m;
}
template <class T, int C, int R> inline matrix<T, C, R> operator*(matrix<T, C, R> a, T s) {
  for (int c = 0; c < C; ++c)
    a.columns[c] *= s;
  return a;
}
template <class T, int C, int R> inline matrix<T, C, R> operator*(T s, matrix<T, C, R> a) { return a * s; }
template <class T, int C, int R> inline matrix<T, R, C> transpose(matrix<T, C, R> m) {
  matrix<T, R, C> r;
  for (int c = 0; c < C; ++c)
    for (int i = 0; i < R; ++i)
      r.columns[i][c] = m.columns[c][i];
  return r;
}
template <class T> inline T determinant(matrix<T, 2, 2> m) { return m[0].x * m[1].y - m[1].x * m[0].y; }
template <class T> inline T determinant(matrix<T, 3, 3> m) {
  return m[0].x * (m[1].y * m[2].z - m[2].y * m[1].z) - m[1].x * (m[0].y * m[2].z - m[2].y * m[0].z) +
         m[2].x * (m[0].y * m[1].z - m[1].y * m[0].z);
}
template <class T> inline T determinant(matrix<T, 4, 4> m) { // along the first row
  T sum = (T)0;
  for (int c = 0; c < 4; ++c) {
    matrix<T, 3, 3> rest;
    for (int i = 0; i < 3; ++i)
      rest[i] = m[i < c ? i : i + 1].yzw;
    sum += (c & 1 ? -m[c].x : m[c].x) * determinant(rest);
  }
  return sum;
}
#define __MSL_MATRICES(T)                                                                                              \
  typedef matrix<T, 2, 2> T##2x2;                                                                                      \
  typedef matrix<T, 2, 3> T##2x3;                                                                                      \
  typedef matrix<T, 2, 4> T##2x4;                                                                                      \
  typedef matrix<T, 3, 2> T##3x2;                                                                                      \
  typedef matrix<T, 3, 3> T##3x3;                                                                                      \
  typedef matrix<T, 3, 4> T##3x4;                                                                                      \
  typedef matrix<T, 4, 2> T##4x2;                                                                                      \
  typedef matrix<T, 4, 3> T##4x3;                                                                                      \
  typedef matrix<T, 4, 4> T##4x4;
__MSL_MATRICES(half)
__MSL_MATRICES(float)
__MSL_MATRICES(bfloat)

// 8x8 matrices spread over a simdgroup, two neighbouring elements of a row in each lane. MSL leaves the mapping open;
// this is the one seen on Apple GPUs, which kernels that use thread_elements() rely on.
inline uint __matrix_row(uint lane) { return ((lane / 4) & 4) + (lane / 2) % 4; }
inline uint __matrix_column(uint lane) { return ((lane / 4) & 2) * 2 + (lane % 2) * 2; }
/// The lane that holds (row, column), column rounded down to even.
inline uint __matrix_lane(uint row, uint column) {
  return (row & 4) * 4 + (row & 3) * 2 + ((column & 4) ? 8 : 0) + (column & 3) / 2;
}

template <class T, int Columns, int Rows = Columns> struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "simdgroup matrices are 8x8");
  static_assert(::__msl::same<T, half>::value || ::__msl::same<T, bfloat>::value || ::__msl::same<T, float>::value,
                "simdgroup matrices are of half, bfloat or float");
  vec<T, 2> __elements;
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    uint row = __matrix_row(__msl_lane()), column = __matrix_column(__msl_lane());
    __elements.x = row == column ? diagonal : (T)0;
    __elements.y = row == column + 1 ? diagonal : (T)0;
  }
  thread vec<T, 2> &thread_elements() { return *(thread vec<T, 2> *)(ulong)&__elements; }
  vec<T, 2> thread_elements() const { return __elements; }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <class T, int Columns, int Rows = Columns>
inline simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> m;
  m.__elements = (vec<T, 2>)value;
  return m;
}

// Without the checker a load or store has no need to wait for the other lanes.
#if __MSL_CHECKED
#define __MSL_MEET(site) __msl_barrier(0, 0, site)
#else
#define __MSL_MEET(site) ((void)(site))
#endif
#define __MSL_MATRIX_MEMORY(AS)                                                                                        \
  template <class T>                                                                                                   \
  inline void simdgroup_load(thread simdgroup_matrix<T, 8, 8> &m, const AS T *from, ulong stride = 8,                  \
                             ulong2 origin = (ulong2)0ul, bool transpose = false, __MSL_SITE) {                        \
    __MSL_MEET(__site);                                                                                                \
    ulong row = __matrix_row(__msl_lane()), column = __matrix_column(__msl_lane());                                    \
    from += origin.y * stride + origin.x;                                                                              \
    m.__elements.x = transpose ? from[column * stride + row] : from[row * stride + column];                            \
    m.__elements.y = transpose ? from[(column + 1) * stride + row] : from[row * stride + column + 1];                  \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline void simdgroup_store(simdgroup_matrix<T, 8, 8> m, AS T *to, ulong stride = 8, ulong2 origin = (ulong2)0ul,    \
                              bool transpose = false, __MSL_SITE) {                                                    \
    __MSL_MEET(__site);                                                                                                \
    ulong row = __matrix_row(__msl_lane()), column = __matrix_column(__msl_lane());                                    \
    to += origin.y * stride + origin.x;                                                                                \
    to[transpose ? column * stride + row : row * stride + column] = m.__elements.x;                                    \
    to[transpose ? (column + 1) * stride + row : row * stride + column + 1] = m.__elements.y;                          \
  }
__MSL_MATRIX_MEMORY(device)
__MSL_MATRIX_MEMORY(threadgroup)

template <class D, class A, class B, class C>
inline void simdgroup_multiply_accumulate(thread simdgroup_matrix<D, 8, 8> &d, simdgroup_matrix<A, 8, 8> a,
                                          simdgroup_matrix<B, 8, 8> b, simdgroup_matrix<C, 8, 8> c, __MSL_SITE) {
  float4 mine = {(float)a.__elements.x, (float)a.__elements.y, (float)b.__elements.x, (float)b.__elements.y};
  ulong base = __msl_exchange(&mine, 16, 0, __site);
  uint row = __matrix_row(__msl_lane()), column = __matrix_column(__msl_lane());
  float2 sum = {(float)c.__elements.x, (float)c.__elements.y};
  for (uint k = 0; k < 8; ++k) {
    float left = *(thread const float *)(base + __matrix_lane(row, k) * 16 + (k & 1) * 4);
    sum += left * *(thread const float2 *)(base + __matrix_lane(k, column) * 16 + 8);
  }
  d.__elements.x = (D)sum.x;
  d.__elements.y = (D)sum.y;
}
template <class D, class A, class B>
inline void simdgroup_multiply(thread simdgroup_matrix<D, 8, 8> &d, simdgroup_matrix<A, 8, 8> a,
                               simdgroup_matrix<B, 8, 8> b, __MSL_SITE) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D, 8, 8>((D)0), __site);
}
template <class T>
inline simdgroup_matrix<T, 8, 8> operator*(simdgroup_matrix<T, 8, 8> a, simdgroup_matrix<T, 8, 8> b) {
  simdgroup_matrix<T, 8, 8> d;
  simdgroup_multiply(d, a, b, ::__msl::site(0));
  return d;
}
} // namespace metal
