"""Meetings and ordinary talk with labels: what is decided in each line, and who is to do something until when.

`HEARD` holds what the offline recogniser made of synthesised meetings, its errors included; `WRITTEN` holds meetings
with punctuation, `PLAIN` the like in lower case without; `ORDINARY` holds talk in which nothing is decided or assigned.
Nobody's name in a pair stands for an owner whom the words do not tell; an empty deadline for none.
"""

from __future__ import annotations

from dataclasses import dataclass

from hark.answers.transcript import Segment, Transcript, Word

Todo = tuple[str, str]


@dataclass(frozen=True)
class Line:
    text: str
    decided: bool = False
    todo: tuple[Todo, ...] = ()


def d(text: str, *todo: Todo) -> Line:
    return Line(text, True, todo)


def a(text: str, *todo: Todo) -> Line:
    return Line(text, False, todo)


def said(*texts: str, pause: float = 0.6, unsure: frozenset[int] = frozenset(), start: float = 0.0) -> Transcript:
    """A transcript with a segment for each text, 0.35 s a word, `pause` seconds apart."""
    segments, at = [], start
    for i, text in enumerate(texts):
        words = []
        for word in text.split():
            words.append(Word(word, round(at, 3), round(at + 0.3, 3), 0.9, i in unsure))
            at += 0.35
        if words:
            segments.append(Segment(text, words[0].start, words[-1].end, tuple(words), 0.9, unsure=i in unsure))
            at += pause
    return Transcript(tuple(segments), at)


HEARD: dict[str, tuple[Line, ...]] = {
    "school": (
        Line("we need to talk about the skill trip to the mountains"),
        Line("last year the bus was late and the children were called"),
        d("okay so we decided to take the train instead of the bass"),
        a("laura will put the tickets by monday", ("Laura", "by monday")),
        Line("i think the hotel might be too expensive"),
        a(
            "robert can us to a hotel for a better price before the end of the week",
            ("Robert", "before the end of the week"),
        ),
        Line("should we invite the parents"),
        Line("we have not decided about the parents yet"),
        a("i will write a letter to the families tomorrow", ("I", "tomorrow")),
        Line("the one per inmate is usually fine"),
        d("let's go with the second week of may"),
        Line("thanks everybody"),
    ),
    "kitchen": (
        Line("good morning the restaurant was film last night"),
        Line("two guests complained about the soup"),
        d("we agreed to change the menu in october"),
        a("sharing needs to order new lives until thursday", ("Sharing", "until thursday")),
        Line("the dishwasher is broken again"),
        a("michael is going to call the repair company this afternoon", ("Michael", "this afternoon")),
        Line("maybe we should close on mondays"),
        Line("i am not sure about that"),
        Line("the narrative the new budget of five thousand dollars"),
        a("someone has to clean the storage room by tomorrow evening", ("", "by tomorrow evening")),
        Line("that's all for today"),
    ),
    "science": (
        Line("next topic the experiment with the minds"),
        Line("the results from last week look strange to me"),
        d("we will repeat the measurement because the sensor was not calibrated"),
        Line("and it should caliber to censor before wednesday"),
        Line("the paper was passed down to the spring"),
        Line("what about the figures"),
        a("thomas please send me the figures by the end of the mind", ("Thomas", "by the end of the mind")),
        a("i will review the draft next week", ("I", "next week")),
        Line("nobody knows why the temperature dropped"),
        d("we are going to use the new microscope from now on"),
    ),
    "club": (
        Line("let me start with the money we have three hundred dollars left"),
        d("the final decision is to raise the fee to twenty dollars"),
        Line("emily said that some members will leave"),
        a("paul and mary you will prepare the summer party and two weeks", ("Paul and Mary", "")),
        Line("the music was tier allowed last time"),
        Line("we still need to decide where to meet"),
        a("can somebody bring a speaker", ("", "")),
        a("james has to pay the rent on the fifth of june", ("James", "on the fifth of june")),
        Line("the signing collins close in winter"),
        Line("okay we want to print the news letter any more"),
    ),
    "build": (
        Line("the server crashed on to say because it is quiz film"),
        a("kevin please add more discs as soon as possible", ("Kevin", "as soon as possible")),
        d("we chose the smaller data center because it's cheaper"),
        Line("the customers are very happy with the new search"),
        a("i have to talk to marketing about the price", ("I", "")),
        a(
            "marketing will publish the article on friday and susan will update the documentation by wednesday",
            ("marketing", "on friday"),
            ("Susan", "by wednesday"),
        ),
        d("we rejected the plan to move the office"),
        Line("how long does the back up to eight"),
        Line("it takes about four hours"),
        Line("do we need another engineer i don't know"),
        a("the team has to test the backup every month", ("the team", "every month")),
    ),
}

WRITTEN: dict[str, tuple[Line, ...]] = {
    "website": (
        Line("Alright, shall we get going?"),
        Line("The traffic on the website doubled in March, which is great."),
        d("After a long discussion, the board approved the redesign."),
        a("Nadia, could you please prepare three mock-ups by next Tuesday?", ("Nadia", "by next Tuesday")),
        a("Sure, I'll do the mock-ups and send them around on Monday.", ("I", "on Monday")),
        Line("Do we want a dark theme?"),
        Line("I'd say we don't decide that today."),
        a("Oliver will check the licence of the fonts.", ("Oliver", "")),
        d("It was agreed that the old blog will be switched off."),
        a("By the end of June, Greta has to migrate the old posts.", ("Greta", "By the end of June")),
        Line("We never approved the chat window, by the way."),
        d("Let's use the French hosting company."),
        a(
            "The design team should collect feedback from ten customers before the launch.",
            ("The design team", "before the launch"),
        ),
        Line("Great, thank you all."),
    ),
    "hospital": (
        Line("Two nurses are ill this week, so we're short of people."),
        d("We've decided to postpone the training."),
        a("Dr. Harris needs to sign the forms today.", ("Harris", "today")),
        Line("Patients complained about the waiting times."),
        a("Someone must repair the lamp in room twelve.", ("", "")),
        Line("If Peter agrees, we could open the second ward."),
        a("Monica is responsible for the new schedule.", ("Monica", "")),
        d("So the second ward stays closed, that's decided."),
        a("Please remind the visitors to wash their hands.", ("", "")),
        Line("What will Peter say about this?"),
        a("We have to order gloves within two days.", ("we", "within two days")),
        Line("The coffee is cold again."),
    ),
}

PLAIN: dict[str, tuple[Line, ...]] = {
    "moving": (
        Line("okay let's begin"),
        Line("the new flat has three rooms and a balcony"),
        d("we are going to hire a van instead of a truck"),
        a("simon will pick up the van on saturday morning", ("Simon", "on saturday morning")),
        a("and i'll call the landlord tonight", ("I", "tonight")),
        Line("are we going to paint the walls"),
        Line("i don't think we can decide that now"),
        a("julia please measure the windows before sunday", ("Julia", "before sunday")),
        Line("the neighbours seem to be nice"),
        a("we need to cancel the internet contract by the end of the month", ("we", "by the end of the month")),
        d("everyone agreed that the piano goes first"),
        Line("my back hurts already"),
        a("can you ask your brother for his tools", ("", "")),
        d("we won't take the old sofa"),
    ),
    "garden": (
        Line("it has not rained for three weeks"),
        Line("the tomatoes look terrible"),
        d("the committee voted to buy a second tank"),
        a("hassan and ruth will build the fence in april", ("Hassan and Ruth", "in april")),
        Line("who is going to water the plants in august"),
        a("erik has got to fix the pump by noon tomorrow", ("Erik", "by noon tomorrow")),
        Line("it would be nice if somebody could help him"),
        d("the plant sale has been moved to the tenth of may"),
        a("let me check the price of the seeds", ("I", "")),
        Line("we might sell honey next year"),
        a("everyone has to pay the fee before the first of march", ("everyone", "before the first of march")),
        Line("i will never plant potatoes again"),
    ),
}

ORDINARY: dict[str, tuple[str, ...]] = {
    "speech": (
        "and so my fellow americans ask not what your country can do for you",
        "ask what you can do for your country",
    ),
    "reading": (
        "going along slushy country roads and speaking to damp audiences in draughty schoolrooms",
        "day after day for a fortnight",
        "he'll have to put in an appearance at some place of worship on sunday morning",
        "and he can come to us immediately afterwards",
    ),
    "story": (
        "there was once a king who had three daughters",
        "the youngest will always be the most beautiful said the old woman",
        "she looked at the sea and thought of her father",
        "when will he come back she asked",
        "he must be very tired and he has to be hungry",
        "they lived happily and nobody ever saw the dragon again",
    ),
    "weather": (
        "tomorrow will be cold with some rain in the north",
        "on sunday the sun will come back",
        "temperatures are going to rise to twenty degrees by wednesday",
        "you should have an umbrella with you",
    ),
    "chat": (
        "hi how are you",
        "i'm fine thanks and you",
        "i have to say the film was boring",
        "i will never understand why they like it",
        "we have to see each other more often",
        "she is going to be forty next week",
        "can you hear me",
        "can you believe it",
        "i hope it will be warm on friday",
        "anna will be happy about that",
        "let me think",
        "let's see",
        "we need to talk",
        "it needs to be said",
        "the train will arrive at nine",
        "we will see",
        "you have to eat more vegetables my mother said",
        "nobody agreed with him",
    ),
    "lecture": (
        "in this lecture we will see how plants grow",
        "the roots have to find water in the ground",
        "the light will reach the leaves in the morning",
        "this means that the cell needs to divide",
        "we have not decided yet which model is right",
        "should the theory be rejected",
        "many people agree that it is true",
    ),
}
