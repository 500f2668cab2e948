"""企业微信 WeCom as a real server: directory, approvals, cards, sign-in, callbacks, and a page to approve on."""
