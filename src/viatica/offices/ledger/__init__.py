"""凭证: what a paper means to the books. Posted vouchers never change; a red one undoes them."""
