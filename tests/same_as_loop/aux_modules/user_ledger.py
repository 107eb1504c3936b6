"""A user's bookkeeping module: a total and a journal, kept as plain globals."""

total = 0
_journal = []


def book(amount):
    global total
    total += amount
    _journal.append((len(_journal), amount))


def statement():
    return total, list(_journal)
