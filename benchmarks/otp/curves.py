"""Curves to two rings, in the plane and in a plane of more dimensions, by max-min and the dual."""

import otp

METHODS = ["OTM", "OTP, max-min", "OTP, max-min in the span", "OTP, dual"]


def run():
    costs = {case: otp.exact_cost(case, 2) for case in otp.CURVES}
    rows = [(case, method, d) for d in otp.dimensions("2,32") for case in otp.CURVES
            for method in METHODS]
    return {**otp.result_of("otp.curves", rows, costs), "costs": costs, "reference": otp.REFERENCE}


def table(result):
    costs = ", ".join(f"{case} {cost:.4f}" for case, cost in result["costs"].items())
    return (f"{otp.table(result)} W2², exact between {result['reference']} points of each, on which "
            f"D_cost stands: {costs}.")
