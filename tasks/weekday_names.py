"""Days of the week by their names, lower case."""

from __future__ import annotations

_NAMES = (
    "monday mon montag mo lundi lun lunes lunedì lunedi segunda segunda-feira seg maandag ma mandag måndag "
    "星期一 周一 週一 月曜日 月曜 月 월요일 월",
    "tuesday tues tue tu dienstag di mardi mar martes martedì martedi terça terça-feira terca ter dinsdag tirsdag "
    "tisdag 星期二 周二 週二 火曜日 火曜 火 화요일 화",
    "wednesday wed we mittwoch mi mercredi mer miércoles miercoles mié mie mercoledì mercoledi quarta quarta-feira qua "
    "woensdag wo onsdag 星期三 周三 週三 水曜日 水曜 水 수요일 수",
    "thursday thurs thur thu th donnerstag do jeudi jeu jueves jue giovedì giovedi gio quinta quinta-feira qui "
    "donderdag torsdag 星期四 周四 週四 木曜日 木曜 木 목요일 목",
    "friday fri fr freitag vendredi ven viernes vie venerdì venerdi sexta sexta-feira sex vrijdag vr fredag "
    "星期五 周五 週五 金曜日 金曜 金 금요일 금",
    "saturday sat sa samstag sonnabend samedi sam sábado sabado sáb sab sabato zaterdag za lørdag lördag "
    "星期六 周六 週六 土曜日 土曜 土 토요일 토",
    "sunday sun su sonntag so dimanche dim domingo dom domenica zondag zo søndag söndag "
    "星期日 星期天 周日 週日 日曜日 日曜 日 일요일 일",
)
"""English, German, French, Spanish, Italian, Portuguese, Dutch, Danish, Swedish, Chinese, Japanese and Korean."""
WEEKDAY_NUMBERS = {name: number for number, names in enumerate(_NAMES) for name in names.split()}
"""Number of each; Monday is 0."""
