"""Country choices of fields 14 and 45: ISO code = choice id = English name (contract 3.10)."""

_TABLE = """
AF=1=Afghanistan AL=2=Albania DZ=3=Algeria AD=4=Andorra AO=5=Angola AG=6=Antigua_and_Barbuda AR=7=Argentina
AM=8=Armenia AU=9=Australia AT=10=Austria AZ=11=Azerbaijan BS=12=Bahamas BH=13=Bahrain BD=14=Bangladesh
BB=15=Barbados BY=16=Belarus BE=17=Belgium BZ=18=Belize BJ=19=Benin BT=20=Bhutan BO=21=Bolivia
BA=22=Bosnia_and_Herzegovina BW=23=Botswana BR=24=Brazil BN=25=Brunei_Darussalam BG=26=Bulgaria
BF=27=Burkina_Faso BI=29=Burundi KH=30=Cambodia CM=31=Cameroon CA=32=Canada CV=33=Cape_Verde
CF=34=Central_African_Republic TD=35=Chad CL=36=Chile CN=37=China CO=38=Colombia KM=39=Comoros CG=40=Congo
CD=41=Democratic_Republic_of_the_Congo CR=42=Costa_Rica CI=43=Côte_d'Ivoire HR=44=Croatia CU=45=Cuba CY=46=Cyprus
CZ=47=Czech_Republic DK=48=Denmark DJ=49=Djibouti DM=50=Dominica DO=51=Dominican_Republic EC=52=Ecuador EG=53=Egypt
SV=54=El_Salvador GQ=55=Equatorial_Guinea ER=56=Eritrea EE=57=Estonia ET=58=Ethiopia FJ=59=Fiji FI=60=Finland
FR=61=France GA=62=Gabon GM=63=Gambia GE=64=Georgia DE=65=Germany GH=66=Ghana GR=67=Greece GD=68=Grenada
GT=69=Guatemala GN=70=Guinea GW=71=Guinea-Bissau GY=72=Guyana HT=73=Haiti HN=74=Honduras HU=75=Hungary IS=76=Iceland
IN=77=India ID=78=Indonesia IR=79=Iran IQ=80=Iraq IE=81=Ireland IL=82=Israel IT=83=Italy JM=84=Jamaica JP=85=Japan
JO=86=Jordan KZ=87=Kazakhstan KE=88=Kenya KI=89=Kiribati KP=90=North_Korea KR=91=South_Korea KW=92=Kuwait
KG=93=Kyrgyzstan LA=94=Laos LV=95=Latvia LB=96=Lebanon LS=97=Lesotho LR=98=Liberia LY=99=Libya LI=100=Liechtenstein
LT=101=Lithuania LU=102=Luxembourg MK=103=Macedonia MG=104=Madagascar MW=105=Malawi MY=106=Malaysia MV=107=Maldives
ML=108=Mali MT=109=Malta MH=110=Marshall_Islands MR=111=Mauritania MU=112=Mauritius MX=113=Mexico FM=114=Micronesia
MD=115=Moldova MC=116=Monaco MN=117=Mongolia MA=118=Morocco MZ=119=Mozambique MM=120=Myanmar NA=121=Namibia
NR=122=Nauru NP=123=Nepal NL=124=Netherlands NZ=125=New_Zealand NI=126=Nicaragua NE=127=Niger NG=128=Nigeria
NO=129=Norway OM=130=Oman PK=131=Pakistan PW=132=Palau PA=134=Panama PG=135=Papua_New_Guinea PY=136=Paraguay
PE=137=Peru PH=138=Philippines PL=139=Poland PT=140=Portugal QA=141=Qatar RO=142=Romania RU=143=Russia RW=144=Rwanda
KN=145=St._Kitts_and_Nevis LC=146=St._Lucia VC=147=St._Vincent_and_The_Grenadines WS=148=Samoa SM=149=San_Marino
ST=150=São_Tomé_and_Príncipe SA=151=Saudi_Arabia SN=152=Senegal RS=153=Serbia SC=154=Seychelles SL=155=Sierra_Leone
SG=156=Singapore SK=157=Slovakia SI=158=Slovenia SB=159=Solomon_Islands SO=160=Somalia ZA=161=South_Africa
ES=162=Spain LK=163=Sri_Lanka SD=164=Sudan SR=165=Suriname SZ=166=Swaziland SE=167=Sweden CH=168=Switzerland
SY=169=Syria TW=170=Taiwan TJ=171=Tajikistan TZ=172=Tanzania TH=173=Thailand TG=174=Togo TO=175=Tonga
TT=176=Trinidad_and_Tobago TN=177=Tunisia TR=178=Turkey TM=179=Turkmenistan TV=180=Tuvalu UG=181=Uganda UA=182=Ukraine
AE=183=United_Arab_Emirates GB=184=United_Kingdom US=185=United_States_of_America UY=186=Uruguay UZ=187=Uzbekistan
VU=188=Vanuatu VA=189=Vatican_City VE=190=Venezuela VN=191=Vietnam EH=192=Western_Sahara YE=193=Yemen ZM=196=Zambia
ZW=197=Zimbabwe GL=198=Greenland VI=199=Virgin_Islands IC=201=Canary_Islands ME=202=Montenegro GI=203=Gibraltar
HK=205=Hong_Kong MO=206=Macao
"""

_ROWS = [row.split("=") for row in _TABLE.split()]

ISO_TO_CHOICE = {iso: choice for iso, choice, _ in _ROWS}
CHOICES = {choice: name.replace("_", " ") for _, choice, name in _ROWS}

_BY_NAME = {name.casefold(): choice for choice, name in CHOICES.items()} | {
    # A retailer's own words for countries, as the demo data has them.
    "eire": ISO_TO_CHOICE["IE"],
    "rsa": ISO_TO_CHOICE["ZA"],
    "usa": ISO_TO_CHOICE["US"],
    "uk": ISO_TO_CHOICE["GB"],
}


def choice_of(country: str) -> str | None:
    """The choice id for an ISO code or a country's name; None when there is none."""
    return ISO_TO_CHOICE.get(country) or _BY_NAME.get(country.casefold())
