"""What the name of a column hints at, in the languages in which operators publish. Content decides; see `profile`."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ROLES = {
    "station": "vertrekhalte|aankomsthalte|vertrekstation|aankomststation|σταθμος|σταθμου|στασεις|σταση|"
    "station|stations|stn|stop|stops|standort|haltestelle|bahnhof|gare|arret|estacion|estacao|parada|"
    "stazione|fermata|kiosk|dock|terminal|halte|zastavka|stanice|megallo|allomas|stacja|halt|durak|istasyon|stasiun|stasjon|asema|pysakki|"
    "hallplats|สถานี|ایستگاه|"
    "przystanek|station complex|stationid|stopid|车站|"
    "車站|站点|站點|站名|站|駅|駅名|場站|역|역명|станция|станции|остановка|תחנה|תחנות|المحطة|محطة",
    "place": "port|pier|wharf|quay|harbour|harbor|hafen|landing|jetty|"
    "site|zone|location|lieu|ort|gate|gates|counter|sensor|detector|zahlstelle|punkt|point|unit|platform|"
    "entrance|place",
    "id": "id|ids|code|number|nr|no|num|nlc|uic|ref|refa|key|fk|kennung|stationid|stopid|编号|編號|번호",
    "event id": "rideid|tripid|transactionid|eventid|tapid|rentalid|hireid|journeyid|rentalnumber|tripnumber|uuid|guid",
    "name": "name|nom|libelle|bezeichnung|nombre|label|title|description|desc|名称|名稱",
    "coordinate": "lat|lon|lng|long|latitude|longitude|coord|coordinate|x|y|ost|nord|easting|northing|geom|wkt|"
    "georeference",
    "entry": "επιβιβασεις|επιβιβαση|εισοδοι|εισοδος|εισοδους|embarked|embarking|embarkation|embarkations|embarques|"
    "nastup|nastupy|felszallo|felszallok|wsiadajacy|binis|pastigande|pastigende|nousijat|naik|"
    "entries|entry|entered|enter|in|ins|boarding|boardings|boarded|board|on|ons|einstieg|einstiege|einsteiger|"
    "ein|montees|montants|montant|entree|entrees|entradas|entrada|subidas|suben|ingressi|entrate|进站|進站|入站|"
    "进|進|乗車|入場|승차|вход|вошло|посадка|входы|כניסות|כניסה|עליות|الدخول|دخول|الصعود",
    "exit": "αποβιβασεις|αποβιβαση|εξοδοι|εξοδος|εξοδους|disembarked|disembarking|disembarkation|disembarkations|"
    "desembarques|vystup|vystupy|leszallo|leszallok|wysiadajacy|inis|avstigande|avstigende|poistujat|turun|"
    "exits|exit|exited|out|outs|"
    "alighting|alightings|alighted|alight|off|offs|ausstieg|ausstiege|aussteiger|aus|"
    "descentes|descendants|descendant|sortie|sorties|salidas|salida|saidas|bajadas|bajan|uscite|出站|出|降車|出場|하차|"
    "выход|вышло|высадка|выходы|יציאות|יציאה|ירידות|الخروج|خروج|النزول",
    "count": "count|counts|riders|rider|ridership|passengers|passenger|pax|people|persons|volume|trips|total|anzahl|"
    "fahrgaste|passagers|voyageurs|validations|vald|nb|nombre|cantidad|viajes|pasajeros|validaciones|taps|flow|"
    "patronage|usage|footfall|passeggeri|pasazerowie|人次|客流|客流量|人数|"
    "人數|人員|인원|승객|επιβατες",
    "start": "vertrek|vertrektijd|vertrekhalte|vertrekstation|wynajmu|wypozyczenia|"
    "o|origine|origem|herkunft|quelle|"
    "start|started|begin|beginning|from|origin|orig|departure|depart|pickup|checkout|begintime|starttime|"
    "debut|inicio|beginn|anfang|von|origen|rental start|soo|ausleihe|entleihung|abholung|"
    "retiro|대여|출발|起点|起點|出发|出發|"
    "进站|進站|入站",
    "end": "aankomst|aankomsttijd|aankomsthalte|aankomststation|zwrotu|zwrot|"
    "d|destinazione|ziel|"
    "end|ended|ending|to|dest|destination|arrival|arrive|dropoff|return|returned|endtime|stoptime|finish|fin|"
    "ende|bis|destino|arrivee|until|ruckgabe|abgabe|arribo|반납|도착|终点|終點|到达|到達|出站",
    "finish": "end|ended|ending|until|fin|ende|bis|endtime|finish|hasta|结束|結束",
    "direction": "direction|dir|inout|status|way|richtung|sens|sentido|type|event|action|movement|flow|kind|"
    "方向|进出|進出",
    "way": "direction|dir|inout|way|richtung|sens|sentido|movement|verso|direzione|方向|进出|進出",
    "way value": "inbound|outbound|ingress|egress|arrival|arrivals|departure|departures|arrive|depart|arrived|departed|"
    "north|south|east|west|n|s|northbound|southbound|eastbound|westbound|up|down",
    "no count": "net|netto|saldo|delta|change|difference|diff|balance|variation|veranderung|"
    "avg|average|mean|median|percent|percentage|pct|rate|ratio|std|stdev|stddev|variance|moyenne|mittel|"
    "mittelwert|durchschnitt|promedio|media|cumulative|cum|ytd|forecast|predicted|prediction|prognose|estimate|"
    "estimated|expected|capacity|available|availability|load|occupancy|auslastung|stock|level|present|inside|onboard|"
    "aboard|queue|waiting|max|min|maximum|minimum|peak|baseline|budget|previous|last year|share|"
    "per|pro|thousands|tausend|tsd|milliers|miles|hundreds|hunderte|centaines|00|000|100|1000|千|万|index|"
    "score|occupied|empty",
    "person": "card|cards|carte|tarjeta|cartao|karte|ticket|tickets|billet|billete|tap|taps|token|pass|media|medium|"
    "fare|tarif|tarifa|transaction|txn|validation|validations|validator|user|usertype|usuario|member|membership|"
    "subscriber|customer|kunde|passenger|passengers|passager|pasajero|pax|rider|riders|person|persons|people|"
    "pedestrian|visitor|gate|gates|turnstile|entrance|entry|exit|ride|rides|rideable|rental|hire|journey|bike|bici|"
    "bicycle|rad|scooter|product|student|senior|adult|concession|direction|dir|inout|卡|卡号|卡號|票|票种|乘客|交易|"
    "카드|승객|승하차",
    "vehicle trip": "trip|tripid|run|fahrt|fahrtnr|fahrtnummer|kurs|zug|zugnr|corrida|sailing|voyage|viaje|course",
    "weight": "weight|weights|weighting|factor|expansion|sampling|gewicht|faktor|ponderation|peso",
    "kind of traffic": "car|cars|auto|autos|pkw|lkw|truck|trucks|lorry|lorries|hgv|van|vans|vehicle|vehicles|"
    "motorcycle|motorcycles|motorbike|bike|bikes|bicycle|bicycles|cyclist|cyclists|rad|velo|scooter|bus|buses|pedestrian|"
    "pedestrians|fuss|heavy|light",
    "money": "price|fare|amount|cost|paid|value|preis|betrag|prix|montant|importe|precio|tarifa|prezzo|valor|金额|金額",
    "unreal value": "forecast|forecasted|predicted|prediction|prognose|estimate|estimated|plan|planned|scheduled|"
    "budget|test|dummy|simulated|modelled|modeled|imputed|interpolated|cancelled|canceled|void|voided|reversal|reversed|"
    "refund|refunded|chargeback|storno|storniert|annule|annulee|annulation|anulado|anulada|anulacion|cancelado|cancelada|"
    "reembolso|devolucion|rimborso|annullato|撤销|撤銷|取消|冲正|退款",
    "total value": "total|totals|grand total|sub total|subtotal|sum|summe|gesamt|gesamtsumme|all|all stations|alle|"
    "tous|ensemble|total general|todos|totale|toutes|network|netz|gesamtnetz|reseau|totaal|totalt|i alt|"
    "razem|suma|yhteensa|celkem|osszesen|toplam|jumlah|tong cong|итого|всего|المجموع|סה כ|รวม|合计|合計|总计|總計|"
    "总和|全部|계|합계|計",
    "outcome": "response|responsecode|returncode|errorcode|error|reject|denied|"
    "status|result|valid|accepted|outcome|approved|verdict|ergebnis|resultado|resultat|etat|estado|gultig|"
    "test",
    "verdict": "response|responsecode|returncode|errorcode|error|reject|denied|"
    "status|result|valid|accepted|outcome|approved|action|event",
    "known at": "updated|modified|created|received|available|published|inserted|loaded|reported|fetched|imported",
    "device": "device|scp|unit|gate|reader|validator|turnstile|serial|machine|devid|deviceid|channel|lane|ca",
    "other number": "id|ids|bike|vehicle|user|card|customer|device|duration|tripduration|dur|mins|minutes|seconds|age|"
    "birth|year|price|fare|amount|cost|distance|km|temperature|temp|line|route|zone|zip|postal|capacity|lane|gender|"
    "paytype|payment|lineid|deviceid|userid|stationid|interval|speed|transfers|cancelled|weather|month|day|weekday|"
    "quarter|week|edad|genero|usuario|bici|alter|kunde|objectid|fid|index|row|seq|sequence|hour|uhr|heure|hora|时段|時段",
    "share": "fare|payment|class|category|categorie|titre|ticket|gate|gates|device|line|route|mode|card|product|"
    "entrance|turnstile|channel|lane|destination|dest|scp|reader|validator|tarif|billet|票种|票種|线路|線路",
    "time": "time|times|timestamps|"
    "timestamp|ts|t|datetime|date|minute|epoch|unix|zeit|datum|heure|fecha|hora|jour|at|period|moment|"
    "时间|時間|日期|日付|時刻|время|дата|שעה|תאריך|الوقت|التاريخ",
    "hour": "час|время|שעה|الساعة|الوقت|"
    "hour|hr|hh|time|uhr|stunde|heure|hora|ora|saat|godzina|hodina|ora|小時|小时|시|时|時|时段|時段|시간",
    "time of day": "halfhour|half|quarterhour|kello|klo|tid|klokkeslett|klockslag|idopont|ido|czas|godzina|cas|ωρα|"
    "time|hour|hhmm|hhmmss|tod|uhrzeit|uhr|zeit|stunde|heure|hora|hora minuto|horario|orario|ora|minute|"
    "minutes|min|second|seconds|sec|secs|start|begin|from|interval|slot|timeslot|period|clock|quarter|qtr|viertelstunde|intervall|tranche|"
    "franja|tramo|faixa|fascia|block|bin|时间|時間|时段|時段",
    "part of hour": "minute|minutes|min|mins|minuto|quarter|qtr|qhr|half|viertelstunde|quart|cuarto|fraction|slot|分",
    "entry value": "entry|entries|enter|entered|in|board|boarding|boarded|on|check in|checkin|tap in|einstieg|ein|"
    "montee|entree|entrada|subida|passenger boarded|ingresso|进站|進站|入站|승차",
    "exit value": "exit|exits|exited|out|alight|alighting|alighted|off|check out|checkout|tap out|ausstieg|aus|"
    "descente|sortie|salida|bajada|passenger alighted|uscita|出站|하차",
}


_COMPOUNDS = tuple(
    (re.compile(pattern), plainer)
    for pattern, plainer in (
        (r"(?i)\bpu(?=location)", "pickup "),
        (r"(?i)\bdo(?=location)", "dropoff "),
        ("대여소", " station "),
    )
)
"""Parts of names that are words of their own: PULocationID, and places of rental in Korean."""
_ONE_WORD = re.compile(r"(?i)\b(pick[ _-]?up|drop[ _-]?off|check[ _-]?out)(?=$|[^a-z])")
_NO_SIGNS = str.maketrans("", "", " _-")


def words_of(name: str) -> tuple[str, ...]:
    """Words of a column's name: lower case, without accents, parted where case, digits or signs part them."""
    for pattern, plainer in _COMPOUNDS:
        name = pattern.sub(plainer, name)
    name = _ONE_WORD.sub(lambda found: found[0].lower().translate(_NO_SIGNS), name)
    name = re.sub(
        r"(?i)\b(start|end|from|to)(?=station|time|date)|(?<=station)(?=name|id)|(?<=time)(?=ms|utc)", r"\1 ", name
    )
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)", " ", name)
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return tuple(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", plain).lower()))


@cache
def hints_at(name: str, role: str) -> bool:
    """Whether a column's name has a word of a role."""
    known, words = _of(role), words_of(name)
    joined = "".join(words)
    return bool(known.intersection(words)) or joined in known or any(_han(word) and word in joined for word in known)


@cache
def _of(role: str) -> frozenset[str]:
    return frozenset(_ROLES[role].split("|"))


def _han(word: str) -> bool:
    """Whether a word is of a script that is written without blanks."""
    return ord(word[0]) > 0x2E00 and len(word) > 1


def is_value_of(text: str, role: str) -> bool:
    """Whether a value of a column as a whole is a word of a role, such as "Tap-In"."""
    return " ".join(words_of(text)) in _of(role)
