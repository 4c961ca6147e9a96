"""Sheets of every dimension by the recipe otp: its plan beside the exact one."""

import otp
from otp import table  # noqa: F401


def run():
    dimensions = otp.dimensions("2,4,8,16,32,64,128,256")
    return otp.result_of("otp.dual", [(case, "OTP, dual", d) for d in dimensions
                                      for case in otp.SHEETS])
