"""飞书: native approvals (原生审批), events, interactive cards, sign-in, directory."""
