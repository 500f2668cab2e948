from viatica.offices.company.tests.toy import office, real_office

__all__ = ["office", "real_office"]
