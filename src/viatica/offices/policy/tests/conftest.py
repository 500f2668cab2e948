from viatica.offices.company.tests.cast import company, real_company, together

__all__ = ["company", "real_company", "together"]
