"""Short forms of first names, in keys that sound alike in every alphabet."""

from __future__ import annotations

from functools import lru_cache

from nicknames import NickNamer

from kapelle.customers.tasks.linkage.texts import sound

# Russian short forms as they are written in Latin letters. The package knows the English ones.
_RUSSIAN = {
    "aleksandr alexander": "sasha sanya shura alik",
    "aleksandra alexandra": "sasha shura",
    "aleksey alexey alexis": "lyosha lesha alyosha alesha",
    "anastasiya": "nastya stasya asya",
    "anatoly": "tolya tolik",
    "andrey": "andryusha dron",
    "anna": "anya nyura anyuta nyusha",
    "anton": "antosha toha",
    "arkady": "arkasha",
    "artyom artem": "tyoma tema",
    "boris": "borya",
    "daniil danila": "danya",
    "darya": "dasha",
    "denis": "den deniska",
    "dmitry": "dima mitya dimon",
    "egor": "gosha",
    "ekaterina": "katya katyusha kate",
    "elena": "lena alyona",
    "elizaveta": "liza",
    "evgeny": "zhenya",
    "evgeniya": "zhenya",
    "fyodor fedor": "fedya",
    "galina": "galya",
    "georgy": "gosha zhora",
    "gleb": "glebushka",
    "grigory": "grisha",
    "igor": "gosha igorek",
    "ilya": "ilyusha",
    "inna": "innochka",
    "irina": "ira irisha",
    "ivan": "vanya",
    "kirill": "kira kirya",
    "konstantin": "kostya",
    "kseniya oksana": "ksyusha ksenya",
    "larisa": "lara",
    "leonid": "lyonya lenya",
    "lyubov": "lyuba",
    "lyudmila": "lyuda lyusya mila",
    "maksim": "maks",
    "margarita": "rita margo",
    "mariya": "masha manya marusya",
    "matvey": "motya",
    "mihail": "misha",
    "nadezhda": "nadya",
    "natalya nataliya": "natasha nata tasha",
    "nikita": "nik",
    "nikolay": "kolya",
    "oleg": "olezha",
    "olga": "olya",
    "pavel": "pasha",
    "petr pyotr": "petya",
    "polina": "polya",
    "raisa": "raya",
    "roman": "roma",
    "semyon": "syoma sema",
    "sergey": "seryozha serezha seryoga",
    "sofya sofiya": "sonya",
    "stanislav": "stas slava",
    "stepan": "styopa stepa",
    "svetlana": "sveta lana",
    "tamara": "toma",
    "tatyana": "tanya",
    "timofey": "tima",
    "vadim": "vadik",
    "valentina": "valya",
    "valery": "valera",
    "varvara": "varya",
    "vasily": "vasya",
    "vera": "verochka",
    "viktor": "vitya",
    "viktoriya": "vika",
    "vitaly": "vitalik vitya",
    "vladimir": "vova volodya",
    "vladislav": "vlad slava",
    "vyacheslav": "slava",
    "yaroslav": "yarik slava",
    "yuliya": "yulya",
    "yury": "yura",
    "zinaida": "zina",
}


def _full_names() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for names, short in _RUSSIAN.items():
        full = {sound(name) for name in names.split()}
        for word in [*short.split(), *names.split()]:
            found.setdefault(sound(word), set()).update(full)
    return {short: frozenset(full) for short, full in found.items()}


_FULL = _full_names()
_ENGLISH = NickNamer()


@lru_cache(maxsize=50_000)
def name_forms(name: str) -> tuple[str, ...]:
    """The name and the full names that it may be short for: names of one person have one in common."""
    key = sound(name)
    english = {sound(full) for full in _ENGLISH.canonicals_of(name)}
    return tuple(sorted({key, *_FULL.get(key, ()), *english}))
