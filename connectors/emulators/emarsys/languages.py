"""Words in other languages: names of system fields and labels of their choices (contract 3.10, 3.11).

German is complete for the fields of the contract's table; the other codes are known and speak English, and so do
custom fields in every language.
"""

from connectors.emulators.emarsys.field_table import FieldRecord

CODES = frozenset(
    "en de fr es it pt nl pl ru cz hu ro sk se dk no fi tr gr jp cn kr ar he bg hr si ee lv lt ua br mx".split()
)

_NAMES = dict(
    pair.split("=")
    for pair in (
        "0=Interessen|1=Vorname|2=Nachname|3=E-Mail|4=Geburtsdatum|5=Geschlecht|6=Familienstand|7=Kinder|8=Ausbildung|"
        "9=Titel|10=Adresse|11=Stadt|12=Bundesland|13=PLZ|14=Land|15=Telefon|16=Fax|17=Position|18=Firma|19=Abteilung|"
        "20=Branche|21=Telefon (Büro)|22=Fax (Büro)|23=Anzahl der Mitarbeiter|24=Jahresumsatz (in 000 EUR)|25=URL|"
        "26=Bevorzugtes E-Mail-Format|31=Opt-In|32=Benutzerstatus|33=Kontaktquelle|34=Kontaktformular|"
        "35=Registrierungssprache|36=Newsletter|37=Mobiltelefon|38=Vorname des Partners|39=Geburtsdatum des Partners|"
        "40=Jahrestag|41=Adresse (Büro)|42=PLZ (Büro)|43=Stadt (Büro)|44=Bundesland (Büro)|45=Land (Büro)|46=Anrede|"
        "47=E-Mail gültig|48=Datum der ersten Registrierung"
    ).split("|")
)

_COUNTRIES = dict(
    pair.split("=")
    for pair in (
        "10=Österreich|17=Belgien|24=Brasilien|26=Bulgarien|32=Kanada|44=Kroatien|46=Zypern|47=Tschechische Republik|"
        "48=Dänemark|56=Estland|59=Fidschi|60=Finnland|61=Frankreich|65=Deutschland|67=Griechenland|75=Ungarn|"
        "76=Island|77=Indien|81=Irland|82=Israel|83=Italien|85=Japan|95=Lettland|100=Liechtenstein|101=Litauen|"
        "102=Luxemburg|109=Malta|113=Mexiko|123=Niederlande|129=Norwegen|139=Polen|140=Portugal|142=Rumänien|"
        "143=Russland|153=Serbien|157=Slowakei|158=Slowenien|161=Südafrika|162=Spanien|167=Schweden|168=Schweiz|"
        "178=Türkei|182=Ukraine|184=Großbritannien|185=Vereinigte Staaten von Amerika"
    ).split("|")
)

_LABELS: dict[str, dict[str, str]] = {
    "5": {"1": "Männlich", "2": "Weiblich"},
    "6": {"1": "Ledig", "2": "Verheiratet", "3": "In Partnerschaft", "4": "Geschieden", "5": "Verwitwet"},
    "14": _COUNTRIES,
    "26": {"1": "Automatisch", "2": "HTML", "3": "Text"},
    "31": {"1": "Wahr", "2": "Falsch"},
    "35": {"1": "Englisch", "2": "Deutsch", "3": "Französisch"},
    "45": _COUNTRIES,
    "46": {"1": "Herr", "2": "Frau", "3": "Fräulein", "4": "Familie", "5": "Firma"},
}


def field_name(field: FieldRecord, language: str) -> str:
    name: str = field["name"]
    return _NAMES.get(field["id"], name) if language == "de" else name


def choice_label(field: FieldRecord, choice: str, language: str) -> str:
    """The label of one choice id; the id itself where the field has no list of choices."""
    label: str = (field.get("choices") or {}).get(choice, choice)
    return _LABELS.get(field["id"], {}).get(choice, label) if language == "de" else label
