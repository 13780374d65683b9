"""The words of the public pages, in each language that they speak."""

from __future__ import annotations

_ENGLISH = {
    "lang": "en",
    "unsubscribe_title": "Unsubscribe",
    "unsubscribe_question": "Stop marketing e-mail from {brand} to this address?",
    "unsubscribe_button": "Unsubscribe",
    "unsubscribed_title": "You are unsubscribed",
    "unsubscribed_text": "{brand} sends no more marketing e-mail to this address.",
    "by_mistake": "Was it a mistake?",
    "preferences_link": "E-mail preferences",
    "preferences_title": "E-mail preferences",
    "preferences_text": "Choose what {brand} may send to this address.",
    "marketing": "News and offers",
    "marketing_hint": "Marketing e-mail, such as new products, sales and personal offers.",
    "order_mail": "Messages about your own orders come in any case.",
    "save": "Save",
    "saved": "Saved.",
    "broken_title": "This link does not work",
    "broken_text": "It was cut short or changed on its way. Open the e-mail again and follow the link from there.",
}
_RUSSIAN = {
    "lang": "ru",
    "unsubscribe_title": "Отписка",
    "unsubscribe_question": "Больше не получать рекламные письма от {brand} на этот адрес?",
    "unsubscribe_button": "Отписаться",
    "unsubscribed_title": "Вы отписаны",
    "unsubscribed_text": "{brand} больше не пришлёт рекламных писем на этот адрес.",
    "by_mistake": "Отписались по ошибке?",
    "preferences_link": "Настройки рассылки",
    "preferences_title": "Настройки рассылки",
    "preferences_text": "Выберите, что {brand} может присылать на этот адрес.",
    "marketing": "Новости и предложения",
    "marketing_hint": "Рекламные письма: новинки, распродажи, личные предложения.",
    "order_mail": "Сообщения о ваших заказах приходят в любом случае.",
    "save": "Сохранить",
    "saved": "Сохранено.",
    "broken_title": "Ссылка не работает",
    "broken_text": "По дороге она оборвалась или изменилась. Откройте письмо ещё раз и перейдите по ссылке из него.",
}
_ALL = {"en": _ENGLISH, "ru": _RUSSIAN}
_MAX_HEADER = 500


def wording(accept_language: str, *, brand: str) -> dict[str, str]:
    """The words in the reader's best language; English when none of theirs is there."""
    wishes: list[tuple[float, str]] = []
    for part in accept_language[:_MAX_HEADER].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wishes.append((-weight, tag.lower().split("-")[0]))
    for _, language in sorted(wishes, key=lambda wish: wish[0]):
        if language in _ALL:
            return _named(_ALL[language], brand)
    return _named(_ENGLISH, brand)


def _named(words: dict[str, str], brand: str) -> dict[str, str]:
    return {name: text.replace("{brand}", brand) for name, text in words.items()}
