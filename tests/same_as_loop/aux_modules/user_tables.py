"""Constants and pure helpers; nothing here ever changes."""

WEIGHTS = (3, 1, 4, 1, 5, 9, 2, 6)
NAMES = {0: "zero", 1: "one", 2: "two"}


def checksum(number):
    return (
        sum(weight * int(digit) for weight, digit in zip(WEIGHTS, f"{number:08d}", strict=True))
        % 97
    )


def label(number):
    return NAMES.get(number % 4, "many")
