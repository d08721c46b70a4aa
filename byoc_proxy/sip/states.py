"""The states, inputs and timers of an INVITE session, in both roles (RFC 3261 §13-§15)."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    CALLING = "calling"  # UAC: nothing heard
    PROCEEDING = "proceeding"  # UAC: 100 heard
    EARLY = "early"  # 101-199 sent or heard
    ABANDONED = "abandoned"  # UAC: we left before anything was heard
    CANCELLING = "cancelling"  # UAC: CANCEL sent
    UNACKED = "unacked"  # UAC: a 2xx with the offer waits for our answer in the ACK
    INVITED = "invited"  # UAS: nothing said but 100
    WITHHELD = "withheld"  # UAS: a 2xx waits for the PRACK of an 18x (RFC 3262 §3)
    ANSWERED = "answered"  # UAS: 2xx sent, ACK awaited
    LEAVING = "leaving"  # UAS: 2xx sent, we want out, ACK awaited first (§15)
    CONFIRMED = "confirmed"
    OFFERING = "offering"  # our re-INVITE is out
    REOFFER_UNACKED = "re-offer unacked"  # its 2xx carries the offer and waits for our ACK
    OFFERED = "offered"  # their re-INVITE waits for our answer
    ACCEPTED = "accepted"  # we answered theirs, ACK awaited
    CLOSING = "closing"  # BYE sent
    CLOSING_AGAIN = "closing again"  # BYE sent on another stream, as the first one broke
    OVER = "over"


class Input(StrEnum):
    # the wire
    TRYING = "100"
    PROGRESS = "101-199"
    PROGRESS_RELIABLE = "101-199 with RSeq"
    PROGRESS_OFFER = "101-199 with RSeq and the offer"
    SUCCESS = "2xx"
    SUCCESS_OFFER = "2xx with the offer"
    FAILURE = "3xx-6xx"
    TOO_BRIEF = "422"
    LOST = "no response"
    CUT = "connection lost before any response"
    CANCEL = "CANCEL"
    ACK = "ACK"
    BYE = "BYE"
    BYE_DONE = "BYE done"
    BYE_LOST = "BYE lost with its stream"
    REINVITE = "re-INVITE"
    REQUEST = "other request"
    REFRESH = "re-INVITE that only refreshes"
    PRACK = "PRACK"
    PRACKED = "18x acknowledged"
    UNPRACKED = "18x never acknowledged"
    DIALOG_LOST = "408, 481 or silence to a request of ours"
    EXPIRED = "session expired"
    REOFFER_SUCCESS = "re-INVITE 2xx"
    REOFFER_SUCCESS_OFFER = "re-INVITE 2xx with the offer"
    REOFFER_REFUSED = "re-INVITE refused"
    REOFFER_LOST = "re-INVITE lost"
    # the user
    HANG_UP = "hang up"
    PROGRESS_OUT = "progress"
    ANSWER = "answer"
    ANSWER_LATER = "answer before the PRACK"
    REFUSE = "refuse"
    OFFER = "offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    ACKNOWLEDGE = "acknowledge"
    TRANSACT = "transact"


class Timer(StrEnum):
    REPEAT = "repeat the 2xx"
    NO_ACK = "no ACK"
    GIVE_UP = "give up the CANCEL"
