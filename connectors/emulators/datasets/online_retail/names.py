"""Names, towns and streets the generated customers are made of, by country as the retailer spells it.

All invented people. Phone numbers come from ranges that the regulators keep free for fiction; where a country
has none, generated customers have no phone.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Locale:
    """What people of one country are called and where they live; `postcode` draws a digit for each `#`, a letter
    for each `@`; `phone` draws a digit for each `#`."""

    language: str
    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[str, ...]
    postcode: str
    phone: str = ""
    number_first: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


BRITISH = Locale(
    "en-GB",
    _words(
        "Oliver, Amelia, George, Isla, Harry, Ava, Noah, Emily, Jack, Sophie, Leo, Grace, Arthur, Lily, Oscar, Freya, "
        "Charlie, Ivy, Henry, Florence, Archie, Poppy, Thomas, Evie, James, Charlotte, William, Daisy, Edward, Phoebe, "
        "Zoë, Chloë, Siân, Rhys, Callum, Eilidh, Priya, Arjun, Aisha, Imran, Margaret, Kenneth, Doreen, Alan, Hazel, "
        "Keith, Beryl, Stuart, Linda, Graham, Judith, Colin, Maureen, Nigel"
    ),
    _words(
        "Smith, Jones, Taylor, Brown, Williams, Wilson, Johnson, Davies, Robinson, Wright, Thompson, Evans, Walker, "
        "White, Roberts, Green, Hall, Wood, Jackson, Clarke, Patel, Khan, Lewis, Hughes, Edwards, Turner, Hill, Moore, "
        "Cooper, Ward, Morris, King, Baker, Harrison, Morgan, Allen, Scott, Watson, Parker, Bennett, Young, Mitchell, "
        "Shaw, Cook, Richardson, Marshall, Collins, Bailey, Gray, Cox, Adams, Wilkinson, Foster, Chapman, Mason, "
        "Russell, Powell, Webb, Rogers, Hunt, Mills, Holmes, Palmer, Matthews, Fisher, Barnes, Knight, Lloyd, Butler, "
        "Barker, Stevens, Jenkins, Dixon, Fletcher, O'Connor, O'Neill, D'Arcy, Fitzgerald, Brontë, St. John, "
        "Smith-Jones, MacDonald, McKenzie"
    ),
    _words("High Street, Church Lane, Station Road, Mill Lane, Park Avenue, Victoria Road, Queen's Road, The Green"),
    _words("London, Bristol, Leeds, York, Norwich, Exeter, Cardiff, Edinburgh, Glasgow, Bath, Derby, Bishop's Stortford"),
    "@@# #@@",
    "+447700900###",
    number_first=True,
)
GERMAN = Locale(
    "de-DE",
    _words("Anna, Lukas, Jürgen, Käthe, Leon, Mia, Sören, Björn, Hannah, Felix, Marie, Günther, Jörg, Lena, Ute, Paul"),
    _words("Müller, Schmidt, Schäfer, Groß, Weiß, Fischer, Weber, Köhler, Bäcker, Krüger, Vogel, Hoffmann, von Arnim"),
    _words("Hauptstraße, Gartenweg, Königsallee, Bahnhofstraße, Lindenstraße, Am Bühl"),
    _words("Berlin, Köln, München, Düsseldorf, Hamburg, Nürnberg, Leipzig, Göttingen"),
    "1####",
    "+493023125###",
)
AUSTRIAN = Locale(
    "de-AT", GERMAN.first, _words("Gruber, Huber, Moser, Höllerer, Pichler, Eder"), GERMAN.streets,
    _words("Wien, Graz, Linz, Sankt Pölten"), "1##0",
)  # fmt: skip
SWISS = Locale(
    "de-CH", GERMAN.first + ("Urs", "Reto", "Beat", "Noémie"), _words("Meier, Keller, Zürcher, Brunner, Frei, Favre"),
    GERMAN.streets, _words("Zürich, Bern, Genève, Basel, Neuchâtel"), "8###",
)  # fmt: skip
FRENCH = Locale(
    "fr-FR",
    _words("Chloé, Hugo, Zoé, Théo, Inès, Jérôme, Françoise, Benoît, Léa, Raphaël, Anaïs, Gaël, Hélène, Noël, Cécile"),
    _words("Martin, Lefèvre, Bernard, D'Aubigné, Dubois, L'Hermite, Girard, Mercier, Garçon, Béranger, Roux, Noël"),
    _words("rue de l'Église, avenue Foch, rue du Château, place de la République, rue Molière"),
    _words("Paris, Lyon, Nîmes, Besançon, Bordeaux, Orléans, Nancy"),
    "7500#",
    "+33199003###",
    number_first=True,
)
BELGIAN = Locale(
    "fr-BE", FRENCH.first, _words("Peeters, Janssens, Maes, Dupont, Lambert, D'Hondt, Renard"), FRENCH.streets,
    _words("Bruxelles, Liège, Namur, Gent"), "1##0", number_first=True,
)  # fmt: skip
IRISH = Locale(
    "en-IE", _words("Aoife, Seán, Niamh, Cian, Sinéad, Ciarán, Róisín"), _words("O'Brien, O'Sullivan, Ní Bhriain, Byrne"),
    _words("Main Street, O'Connell Street, Chapel Road"), _words("Dublin, Cork, Galway, Dún Laoghaire"), "D## @@##",
    number_first=True,
)  # fmt: skip
SPANISH = Locale(
    "es-ES", _words("José, María, Iñigo, Begoña, Lucía, Álvaro, Sofía, Joaquín, Núria"),
    _words("García, Núñez, Muñoz, López, Ibáñez, Peña, Ruiz, Sánchez"), _words("Calle Mayor, Avenida del Sol, Plaza de España"),
    _words("Madrid, Málaga, Cádiz, La Coruña, Sevilla"), "28###",
)  # fmt: skip
PORTUGUESE = Locale(
    "pt-PT", _words("João, Inês, Tomás, Conceição, Rui, Catarina, Gonçalo"),
    _words("Silva, Gonçalves, Magalhães, Pereira, Araújo, Simões"), _words("Rua Augusta, Avenida da Liberdade, Rua São Bento"),
    _words("Lisboa, Porto, Évora, Guimarães"), "1###-###",
)  # fmt: skip
BRAZILIAN = Locale(
    "pt-BR", PORTUGUESE.first, PORTUGUESE.last, PORTUGUESE.streets, _words("São Paulo, Brasília"), "01###-###",
)  # fmt: skip
ITALIAN = Locale(
    "it-IT", _words("Giulia, Luca, Niccolò, Francesca, Matteo, Chiara, Andrea"),
    _words("Rossi, D'Angelo, Dell'Orto, Esposito, Conti, Nicolò"), _words("Via Roma, Via Garibaldi, Corso Italia"),
    _words("Milano, Roma, Forlì, Torino"), "20###",
)  # fmt: skip
DUTCH = Locale(
    "nl-NL", _words("Daan, Emma, Sem, Anouk, Joëlle, Thijs, Renée"), _words("de Vries, van den Berg, in 't Veld, Jansen, Bakker"),
    _words("Kerkstraat, Dorpsstraat, Prinsengracht"), _words("Amsterdam, Utrecht, 's-Gravenhage"), "1### @@",
)  # fmt: skip
SWEDISH = Locale(
    "sv-SE", _words("Åsa, Göran, Björn, Maja, Elsa, Örjan"), _words("Åkesson, Lindström, Öberg, Nilsson, Sjögren"),
    _words("Storgatan, Kyrkvägen"), _words("Stockholm, Göteborg, Malmö"), "1## ##", "+46701740605",
)  # fmt: skip
DANISH = Locale(
    "da-DK", _words("Søren, Mette, Jørgen, Freja, Åse, Emil"), _words("Sørensen, Jørgensen, Ægidius, Møller, Holm"),
    _words("Nørregade, Strandvejen"), _words("København, Århus, Helsingør"), "2###",
)  # fmt: skip
NORWEGIAN = Locale(
    "nb-NO", _words("Øyvind, Ingrid, Håkon, Liv, Bjørg"), _words("Ødegård, Hansen, Bråten, Sæther"),
    _words("Storgata, Fjordveien"), _words("Oslo, Tromsø, Ålesund"), "0###",
)  # fmt: skip
FINNISH = Locale(
    "fi-FI", _words("Päivi, Jukka, Aino, Väinö, Eero"), _words("Mäkinen, Hämäläinen, Virtanen, Järvinen"),
    _words("Mannerheimintie, Kauppakatu"), _words("Helsinki, Jyväskylä, Hyvinkää"), "00###",
)  # fmt: skip
ICELANDIC = Locale(
    "is-IS", _words("Björk, Guðrún, Þór, Jón"), _words("Jónsdóttir, Þórsson, Guðmundsson"), _words("Laugavegur",),
    _words("Reykjavík, Akureyri"), "1##",
)  # fmt: skip
POLISH = Locale(
    "pl-PL", _words("Zofia, Łukasz, Małgorzata, Paweł, Jędrzej"), _words("Wójcik, Dąbrowski, Żak, Kowalska, Świątek"),
    _words("ulica Długa, ulica Kościelna"), _words("Łódź, Kraków, Gdańsk"), "00-###",
)  # fmt: skip
CZECH = Locale(
    "cs-CZ", _words("Jiří, Tereza, Ondřej"), _words("Novák, Dvořáková, Černý"), _words("Hlavní",), _words("Plzeň, Praha"), "1## ##"
)  # fmt: skip
LITHUANIAN = Locale(
    "lt-LT", _words("Jūratė, Žygimantas"), _words("Kazlauskienė, Petrauskas"), _words("Gedimino prospektas",),
    _words("Vilnius, Šiauliai"), "0####",
)  # fmt: skip
GREEK = Locale(
    "el-GR", _words("Eléni, Níkos, Sofía, Yiánnis, Dímitra"), _words("Papadópoulos, Nikolaïdis, Georgíou, Ioánnou"),
    _words("Odós Ermoú, Leofóros Kifisías"), _words("Athína, Thessaloníki, Lemesós"), "1## ##",
)  # fmt: skip
JAPANESE = Locale(
    "ja-JP", _words("Yūko, Haruto, Kenji, Sakura, Shōta"), _words("Satō, Suzuki, Ōno, Tanaka, Itō"),
    _words("Sakura-dōri, Aoyama-dōri"), _words("Tōkyō, Kyōto, Ōsaka"), "1##-####",
)  # fmt: skip
MIDDLE_EASTERN = Locale(
    "en-US", _words("Layla, Omar, Yusuf, Noura, Karim, Dana"), _words("Haddad, Al-Sayed, Khoury, Nasser, Levi"),
    _words("King Street, Harbour Road"), _words("Manama, Beirut, Dubai, Riyadh, Haifa"), "#####",
)  # fmt: skip
EAST_ASIAN = Locale(
    "en-GB", _words("Mei, Wei, Jun, Li Na, Kai"), _words("Chan, Wong, Tan, Lim, Lee"),
    _words("Orchard Road, Nathan Road"), _words("Singapore, Kowloon"), "######",
)  # fmt: skip
AMERICAN = Locale(
    "en-US", _words("Madison, Ethan, Abigail, Renée, Tyler, Maya"), _words("Miller, Garcia, O'Hara, Nguyen, Anderson"),
    _words("Main Street, Elm Street, Oak Avenue"), _words("Springfield, Portland, Franklin"), "9####", "+12025550###",
    number_first=True,
)  # fmt: skip
CANADIAN = Locale(
    "en-CA", AMERICAN.first, _words("Tremblay, Côté, MacLeod, Singh"), AMERICAN.streets, _words("Toronto, Montréal"),
    "M#@ #@#", number_first=True,
)  # fmt: skip
AUSTRALIAN = Locale(
    "en-AU", BRITISH.first, BRITISH.last, _words("George Street, Collins Street"), _words("Sydney, Melbourne, Perth"),
    "2###", number_first=True,
)  # fmt: skip
MALTESE = Locale(
    "en-GB", _words("Ġorġ, Marija, Ċensu"), _words("Borg, Farruġia, Żammit"), _words("Triq ir-Repubblika",), _words("Il-Belt Valletta",),
    "VLT ####",
)  # fmt: skip

LOCALES = {
    "Germany": GERMAN, "Austria": AUSTRIAN, "Switzerland": SWISS, "France": FRENCH, "Belgium": BELGIAN, "EIRE": IRISH,
    "Spain": SPANISH, "Portugal": PORTUGUESE, "Brazil": BRAZILIAN, "Italy": ITALIAN, "Netherlands": DUTCH,
    "Sweden": SWEDISH, "Denmark": DANISH, "Norway": NORWEGIAN, "Finland": FINNISH, "Iceland": ICELANDIC,
    "Poland": POLISH, "Czech Republic": CZECH, "Lithuania": LITHUANIAN, "Greece": GREEK, "Cyprus": GREEK,
    "Japan": JAPANESE, "Israel": MIDDLE_EASTERN, "Lebanon": MIDDLE_EASTERN, "Bahrain": MIDDLE_EASTERN,
    "Saudi Arabia": MIDDLE_EASTERN, "United Arab Emirates": MIDDLE_EASTERN, "Hong Kong": EAST_ASIAN,
    "Singapore": EAST_ASIAN, "USA": AMERICAN, "Canada": CANADIAN, "Australia": AUSTRALIAN, "Malta": MALTESE,
}  # fmt: skip

SHOPS = _words(
    "Brightwell, Maple & Finch, The Paper Lantern, Old Mill, Teapot Lane, Rowan & Daughters, Lark Rise, Harbour House, "
    "Quince & Co, The Blue Door, Whistledown, Fern Cottage"
)
TRADES = _words("Gifts Ltd, Interiors, Homeware Ltd, Trading, Emporium, Garden Centre, Stationers, Department Store")
