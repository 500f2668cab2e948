"""Believable names, each with its spelling for sign-ins and addresses. Invented people; any likeness is chance."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

SURNAMES = (
    "王wang 李li 张zhang 刘liu 陈chen 杨yang 黄huang 赵zhao 吴wu 周zhou 徐xu 孙sun 马ma 朱zhu 胡hu 郭guo 何he 林lin 高gao "
    "罗luo 郑zheng 梁liang 谢xie 宋song 唐tang 许xu 韩han 冯feng 邓deng 曹cao 彭peng 曾zeng 肖xiao 田tian 董dong 潘pan "
    "袁yuan 蔡cai 蒋jiang 余yu 于yu 杜du 叶ye 程cheng 魏wei 苏su 吕lv 丁ding 任ren 卢lu 姚yao 沈shen 钟zhong 姜jiang "
    "崔cui 谭tan 陆lu 范fan 汪wang 廖liao 石shi 金jin 韦wei 贾jia 夏xia 付fu 方fang 邹zou 熊xiong 白bai 孟meng 秦qin"
)
# The first forty families are nine tenths of a company.
FREQUENT = 40

GIVEN = (
    "晓雨xiaoyu 子涵zihan 梓萱zixuan 雨桐yutong 思远siyuan 浩然haoran 俊杰junjie 嘉怡jiayi 欣怡xinyi 文博wenbo 志强zhiqiang "
    "建国jianguo 丽华lihua 海燕haiyan 晓峰xiaofeng 雪梅xuemei 静怡jingyi 宇航yuhang 明哲mingzhe 佳琪jiaqi 婷婷tingting "
    "鹏飞pengfei 立群liqun 国栋guodong 秀英xiuying 玉兰yulan 晨曦chenxi 一鸣yiming 博文bowen 天宇tianyu 若曦ruoxi 诗涵shihan "
    "梦瑶mengyao 雅琴yaqin 振华zhenhua 永强yongqiang 淑芬shufen 春燕chunyan 伟wei 敏min 磊lei 静jing 洋yang 勇yong 艳yan "
    "杰jie 娟juan 涛tao 明ming 超chao 霞xia 平ping 刚gang 莉li 斌bin 颖ying 欢huan 凯kai 蕾lei 琳lin 帆fan 毅yi 晨chen "
    "倩qian 宁ning 瑞rui 航hang 菲fei 越yue 璐lu 哲zhe 彤tong 昊hao 悦yue 航宇hangyu 书豪shuhao 睿哲ruizhe 沐阳muyang "
    "安琪anqi 可欣kexin 思琪siqi 雨欣yuxin 泽宇zeyu 承泽chengze 逸飞yifei 景行jingxing 知远zhiyuan 怀瑾huaijin 南乔nanqiao"
)


def _split(table: str) -> list[tuple[str, str]]:
    pairs = []
    for word in table.split():
        cut = next(n for n, letter in enumerate(word) if letter.isascii())
        pairs.append((word[:cut], word[cut:]))
    return pairs


def people(random: Random, taken: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and spelling, without end; none twice, none of `taken` (spelling → name).

    Names that are spelt alike get a number, as in any company.
    """
    surnames, given = _split(SURNAMES), _split(GIVEN)
    weights = [9 if place < FREQUENT else 2 for place in range(len(surnames))]
    seen = dict.fromkeys(taken, 1)
    names = set(taken.values())
    while True:
        (family, family_spelt) = random.choices(surnames, weights)[0]
        (own, own_spelt) = random.choice(given)
        if family + own in names:
            continue
        names.add(family + own)
        spelt = family_spelt + own_spelt
        seen[spelt] = seen.get(spelt, 0) + 1
        yield family + own, spelt if seen[spelt] == 1 else f"{spelt}{seen[spelt]}"
