"""Sheets of every dimension by the recipe otp: its plan beside the exact one."""

import otp
from otp import table  # noqa: F401


def run():
    return otp.result_of([(case, "OTP, dual", d) for d in otp.dimensions("2,4,8,16,32,64,128,256")
                          for case in otp.SHEETS])
