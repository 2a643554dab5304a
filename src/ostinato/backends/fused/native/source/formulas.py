"""The formulas of the transcendental functions, for float32 and float64.

The polynomials are printed by ``benchmarks/fit_maths.py``. Errors are at most 3e-7 in float32 and
1e-15 in float64, relative where a relative error makes sense and else absolute, unless a function
says otherwise; NaN and infinities are as in torch.
"""

from __future__ import annotations

import math

from ostinato.backends.fused.native.source.scalars import WIDTHS, Bits, Scalar

# (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2
EXP_F4 = (0.5, 0.166665767, 0.0416665542, 0.00836323288, 0.00139262508)
EXP_F8 = (
    0.5000000000000001, 0.16666666666666667, 0.041666666666623821, 0.0083333333333300382,
    0.0013888888917367081, 0.00019841269863171556, 2.4801521057868205e-5, 2.7557268276905696e-6,
    2.7620201591031549e-7, 2.5100472505694996e-8,
)  # fmt: skip

# (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2 for |s| <= 0.172
LOG_F4 = (0.66666685, 0.399887806, 0.295799494)
LOG_F8 = (
    0.66666666666666697, 0.39999999999899504, 0.28571428625975485, 0.2222221113479508,
    0.18182889125261722, 0.15331721600556041, 0.14616449685043406,
)  # fmt: skip

# erf(x) / x in x^2 for |x| <= 1
ERF_SMALL_F4 = (
    1.12837917, -0.376126267, 0.112835947, -0.026854212, 0.00518908742, -0.000801686429,
    7.87587506e-5,
)  # fmt: skip
ERF_SMALL_F8 = (
    1.1283791670955126, -0.3761263890318354, 0.11283791670945006, -0.02686617064323777,
    0.0052239776071164227, -0.00085483259753896921, 0.00012055294904839708, -1.492473690741966e-5,
    1.6447424703317362e-6, -1.6208483801871706e-7, 1.3720064546777686e-8, -7.7958988270021422e-10,
)  # fmt: skip

# erfc(x) exp(x^2) in (x - 2) / (x + 2) for 1 <= x <= 6
ERF_LARGE_F4 = (
    0.255395677, -0.427185846, 0.241658134, -0.0789786573, 0.00373525535, 0.00699747097,
    -0.000878181175, -0.000957956573, 0.000177615288,
)  # fmt: skip
ERF_LARGE_F8 = (
    0.25539567631050574, -0.42718584741395839, 0.24165819424246636, -0.07897858101573312,
    0.0037328924043450164, 0.0069974617392940577, -0.00084714325201339312,
    -0.00098197703026027219, 4.3555637774879728e-5, 0.00017436123530124898,
    2.7524819609205996e-5, -2.7580465027982318e-5, -1.3960863250756435e-5, 1.393439667993715e-6,
    3.744373533265308e-6, 1.1995052231035316e-6, -3.9035732044924442e-7, -5.4941441041245587e-7,
    -1.6320658346679419e-7, 1.892763506249027e-7,
)  # fmt: skip

# (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi / 4
SIN_F8 = (
    -0.16666666666666665, 0.0083333333333309485, -0.00019841269836758574, 2.755731610255244e-6,
    -2.5051131845003624e-8, 1.5918129294866609e-10,
)  # fmt: skip
COS_F8 = (
    0.041666666666666665, -0.0013888888888887397, 2.4801587298765688e-5, -2.7557317271729793e-7,
    2.0876146268403198e-9, -1.1382632425521718e-11,
)  # fmt: skip

LOG2_E = 1.4426950408889634
LN2_F4 = (0.693359375, -2.12194440e-4)
"""ln(2) in two parts (Cephes), the first with so few bits that its multiples are exact."""
LN2_F8 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
"""ln(2) in two parts (fdlibm)."""
HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)
"""pi / 2 in three parts (fdlibm), exact for multiples up to 2^20."""


def magic(x: Scalar) -> float:
    """Added to a float, it leaves the nearest whole number in the low bits of the mantissa."""
    return 1.5 * 2.0 ** WIDTHS[x.kind][1]


def nearest(x: Scalar) -> tuple[Scalar, Bits]:
    """The nearest whole number, as a float and in the low bits of a word."""
    moved = x + magic(x)
    return moved - magic(x), moved.bits()


def reduce_exp(x: Scalar) -> tuple[Scalar, Bits]:
    """exp(r) - 1 and n, where x = n ln(2) + r."""
    n, word = nearest(x * LOG2_E)
    high, low = LN2_F8 if x.double else LN2_F4
    r = x - n * high - n * low
    return r * r * r.polynomial(EXP_F8 if x.double else EXP_F4) + r, word


def power_of_two(word: Bits) -> Scalar:
    """2^n for n from -126 (float64: -1022) to 128 (1024), which gives infinity."""
    _, mantissa, bias = WIDTHS[word.kind]
    return word.apply("add", bias).apply("shl", mantissa).float()


def exp_bounded(x: Scalar) -> Scalar:
    """exp where a number below the normal ones may stand for 0: less work."""
    low, high = (-708.0, 710.0) if x.double else (-87.0, 88.8)
    less_one, word = reduce_exp(x.at_most(high).at_least(low))
    return (less_one + 1.0) * power_of_two(word)


def exp(x: Scalar) -> Scalar:
    """e to the power of x, from the smallest denormal number to infinity."""
    low, high = (-746.0, 710.0) if x.double else (-104.0, 89.0)
    less_one, word = reduce_exp(x.at_most(high).at_least(low))
    _, mantissa, bias = WIDTHS[x.kind]
    # 2^n as two normal factors; the mask takes n from below the magic number
    offset = word.apply("add", 2 * bias).apply("and_", 4 * bias + 3)
    half = offset.apply("lshr", 1)
    rest = offset.apply("sub", half)
    scaled = (less_one + 1.0) * half.apply("shl", mantissa).float()
    return scaled * rest.apply("shl", mantissa).float()


def expm1(x: Scalar) -> Scalar:
    """exp(x) - 1, accurate near 0."""
    low, high = (-40.0, 710.0) if x.double else (-20.0, 89.0)
    less_one, word = reduce_exp(x.at_most(high).at_least(low))
    # 2^(n - 1), since 2^n is infinite too early
    half = power_of_two(word.apply("sub", 1))
    return (less_one * half + (half - 0.5)) * 2.0


def tanh(x: Scalar) -> Scalar:
    """exp(2x) - 1 over exp(2x) + 1: exactly 1 at infinity, x near 0."""
    limit = 40.0 if x.double else 20.0
    less_one, word = reduce_exp((x * 2.0).at_most(limit).at_least(-limit))
    scale = power_of_two(word)
    grown = less_one * scale + (scale - 1.0)
    return grown / (grown + 2.0)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + exp(-x)); what is below 1e-38 (float64: 1e-307) may become 0."""
    return 1.0 / (exp_bounded(-x) + 1.0)


def split_log(x: Scalar) -> tuple[Scalar, Scalar]:
    """k and m - 1, where a normal x > 0 is 2^k m and m lies between sqrt(1/2) and sqrt(2)."""
    _, mantissa, bias = WIDTHS[x.kind]
    one, root = (0x3FF0 << 48, 0x3FE6A09E667F3BCD) if x.double else (0x3F800000, 0x3F3504F3)
    word = x.bits().apply("add", one - root)
    # the exponent below the bits of 2^52, so that a subtraction makes it a float
    exponent = word.apply("lshr", mantissa).apply("or_", (bias + mantissa) << mantissa)
    m = word.apply("and_", (1 << mantissa) - 1).apply("add", root).float()
    return exponent.float() - (2.0**mantissa + bias), m - 1.0


def log_normal(x: Scalar, shift: Scalar | float, correction: Scalar | None) -> Scalar:
    """log(x) - shift * ln(2) + correction for a normal x > 0 (fdlibm's formula)."""
    k, f = split_log(x)
    k = k - shift
    high, low = LN2_F8 if x.double else LN2_F4
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    rest = s * (half_square + z * z.polynomial(LOG_F8 if x.double else LOG_F4)) + k * low
    if correction is not None:
        rest = rest + correction
    return k * high - ((half_square - rest) - f)


def log_special(x: Scalar, result: Scalar) -> Scalar:
    """-inf for 0, NaN for negative numbers, and infinity and NaN as they are."""
    at_zero = (x == 0.0).where(-math.inf, math.nan)
    return (x < math.inf).where((x > 0.0).where(result, at_zero), x)


def log(x: Scalar) -> Scalar:
    """The natural logarithm, of denormal numbers too."""
    _, mantissa, bias = WIDTHS[x.kind]
    small = x < 2.0 ** (1 - bias)
    normal = small.where(x * 2.0**mantissa, x)
    shift = small.where(float(mantissa), 0.0)
    return log_special(x, log_normal(normal, shift, None))


def log1p(x: Scalar) -> Scalar:
    """log(1 + x), accurate near 0: the rounding error of 1 + x is put back."""
    moved = x + 1.0
    lost = (x - (moved - 1.0)) / moved
    return log_special(moved, log_normal(moved, 0.0, lost))


def erf(x: Scalar) -> Scalar:
    """A polynomial up to 1, and 1 - exp(-x^2) times another beyond; exactly 1 from 6 on."""
    small, large = (ERF_SMALL_F8, ERF_LARGE_F8) if x.double else (ERF_SMALL_F4, ERF_LARGE_F4)
    size = x.library("fabs")
    a = size.at_most(6.0)
    tail = exp_bounded(-(a * a)) * ((a - 2.0) / (a + 2.0)).polynomial(large)
    outside = 1.0 - tail
    outside = (x < 0.0).where(-outside, outside)
    return (size < 1.0).where(x * (x * x).polynomial(small), outside)


def turn(x: Scalar, quarters: int) -> Scalar:
    """sin(x + quarters * pi / 2) in float64.

    Reduced to |r| <= pi / 4 in three steps, each exact where the machine fuses multiply and add
    (else up to 1e6). Of |x| >= 2^50, where neighbouring float64 numbers are a quarter apart, x
    counts as 0.
    """
    x = (x.library("fabs") < 2.0**50).where(x, x - x)
    n, word = nearest(x * (2 / math.pi))
    r = x
    for part in HALF_PI:
        r = r - n * part
    z = r * r
    sine = r * z * z.polynomial(SIN_F8) + r
    cosine = z * z * z.polynomial(COS_F8) + (z * -0.5 + 1.0)
    word = word.apply("add", quarters)
    value = word.apply("and_", 1).nonzero().where(cosine, sine)
    return value.bits().apply("xor", word.apply("and_", 2).apply("shl", 62)).float()


def sin(x: Scalar) -> Scalar:
    """The sine, to 1e-15 for |x| up to 1e15; worked in float64."""
    return turn(x.to_f8(), 0).to(x.kind)


def cos(x: Scalar) -> Scalar:
    """The cosine, to 1e-15 for |x| up to 1e15; worked in float64."""
    return turn(x.to_f8(), 1).to(x.kind)


def pow(x: Scalar, exponent: Scalar) -> Scalar:
    """x to any power, as in C: of negative numbers to whole powers only, else NaN.

    Worked in float64; there the relative error is 1e-16 times the logarithm of the result.
    """
    wide, power = x.to_f8(), exponent.to_f8()
    result = exp(log(wide.library("fabs")) * power)
    half = power * 0.5
    is_whole = power == power.library("floor")
    is_even = half == half.library("floor")
    negative = is_whole.where(is_even.where(result, -result), math.nan)
    # infinity is even to C
    negative = is_whole.where(negative, (wide == -math.inf).where(result, math.nan))
    result = (wide < 0.0).where(negative, result)
    return (power == 0.0).where(1.0, result).to(x.kind)
