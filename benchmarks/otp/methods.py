"""Sheets by max-min: fake solutions of OTM and OTM-s, noised strong NOT, and OTP's own game."""

import otp
from otp import table  # noqa: F401


def run():
    return otp.result_of("otp.methods", [(case, method, d) for d in otp.dimensions("2,16")
                                         for case in otp.SHEETS for method in otp.METHODS
                                         if method != "OTP, dual"])
