"""The company's directory in its OA (通讯录): read, shown as a difference, merged."""
