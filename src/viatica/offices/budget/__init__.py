"""Budgets: what may be spent, what is held for papers on their way, what is spent.

`services.reserve` holds room before anybody is asked to approve; `consume` turns the hold into spending,
`release` gives it back, `reverse` undoes spending. The entries are the truth, the columns their running sums.
"""
