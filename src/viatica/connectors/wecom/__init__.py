"""企业微信: approvals (审批应用), callbacks, template cards, sign-in, directory."""
