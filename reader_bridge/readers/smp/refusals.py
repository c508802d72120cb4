"""What a device means when it refuses, in words: ``rc`` of the image group and of every group."""

from __future__ import annotations

from smp.error import ErrorV1, ErrorV2

from ....apdu.errors import Words
from ...frames.smp import READER_GROUP, Group, ImageError, Rc

__all__ = ["INVALID_OFFSET", "NOT_SUPPORTED", "refusal"]

NOT_SUPPORTED = int(Rc.NOT_SUPPORTED)
INVALID_OFFSET = int(ImageError.INVALID_OFFSET)

_IMAGE = {
    3: Words("there is no image in that slot", "そのスロットにイメージがありません"),
    8: Words("it has no image with that digest", "そのダイジェストのイメージがありません"),
    9: Words("both its slots are in use", "両方のスロットが使用中です"),
    21: Words("the length is wrong", "長さが正しくありません"),
    22: Words("the image's header is wrong", "イメージのヘッダーが正しくありません"),
    23: Words("that is no image", "イメージではありません"),
    24: Words("the image's digest or signature is wrong", "イメージのダイジェストか署名が正しくありません"),
    27: Words("the image is older than the one that runs", "動作中のイメージより古いイメージです"),
    28: Words("an image waits for a restart already", "再起動待ちのイメージがすでにあります"),
    30: Words("the image is too large", "イメージが大きすぎます"),
    31: Words("there were more bytes than announced", "予告より多くのデータが届きました"),
    33: Words("that image runs already", "そのイメージはすでに動作中です"),
    32: Words("this image may not be confirmed", "このイメージは確定できません"),
}
_GENERAL = {
    2: Words("it is out of memory", "メモリーが足りません"),
    3: Words("a value is not valid", "値が正しくありません"),
    5: Words("there is no such thing", "対象がありません"),
    6: Words("its present state does not allow that", "現在の状態ではできません"),
    NOT_SUPPORTED: Words("it does not support that", "この操作に対応していません"),
    9: Words("its memory is corrupt", "メモリーの内容が壊れています"),
    10: Words("it is busy", "処理中です"),
    11: Words("it denies access", "許可されていません"),
}


_READER = {
    2: Words("it has no such setting", "その設定項目はありません"),
    3: Words("a value is not valid", "値が正しくありません"),
}
_REASONS = {
    "form": Words(
        "what it received is cut off or no image", "受け取ったものが途中で切れているかイメージではありません"
    ),
    "digest": Words(
        "what it received does not have its own digest", "受け取ったイメージのダイジェストが一致しません"
    ),
    "too-large": Words("the image is too large", "イメージが大きすぎます"),
    "kind": Words("it does not start images of this kind", "この種類のイメージは起動できません"),
    "not-signed": Words("the image is not signed", "イメージに署名がありません"),
    "wrong-key": Words("its key did not sign this image", "装置の鍵で署名されたイメージではありません"),
    "signature": Words("the signature does not verify", "署名を検証できません"),
    "hardware-id": Words("the image is for other hardware", "別のハードウェア用のイメージです"),
    "security-counter": Words(
        "the image's security counter is too low", "イメージのセキュリティカウンターが低すぎます"
    ),
    "version": Words("the image is older than the one that runs", "動作中のイメージより古いイメージです"),
}
"""Words before the colon of the reason (``rsn``) with which tegata's devices refuse an image."""


def refusal(answer: object) -> tuple[int, Words]:
    """The result code of an error answer, of either version, and what it means."""
    if isinstance(answer, ErrorV2):
        group, code = int(answer.err.group), int(answer.err.rc)
    elif isinstance(answer, ErrorV1):
        group, code = 0, int(answer.rc)
        if (reason := _REASONS.get((answer.rsn or "").partition(":")[0])) is not None:
            return code, reason
    else:
        return 0, Words("it gave no reason", "理由は示されませんでした")
    table = {Group.IMAGE: _IMAGE, READER_GROUP: _READER}.get(group, _GENERAL)
    words = table.get(code) or _GENERAL.get(code)
    return code, words or Words(f"result {code} of group {group}", f"グループ {group} の結果 {code}")
