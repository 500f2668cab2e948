"""Each simulated OA as demo and rehearsal need it: our company in its address book, a connection to it, its people at work."""

from __future__ import annotations

from viatica.config.simulated.dingtalk import DingTalk
from viatica.config.simulated.feishu import Feishu
from viatica.config.simulated.product import Product
from viatica.config.simulated.wecom import WeCom

PRODUCTS: dict[str, Product] = {one.kind: one for one in (DingTalk(), Feishu(), WeCom())}


def of(kind: str) -> Product:
    """Raises KeyError for a kind nobody simulates."""
    return PRODUCTS[kind]
