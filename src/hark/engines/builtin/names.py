"""Words that name who does something: common English first names, groups, and pronouns.

A transcript from an offline recogniser has no capitals, so a name is known by this list and by its place. Names that
are first of all other words (will, may, art, hope) are left out: their place alone must speak for them.
"""

from __future__ import annotations

NAMES = frozenset(
    """aaron abby abigail abraham adam adrian ahmed aisha alan albert alex alexander alexandra alexis alfred ali alice
    alicia alison allison alyssa amanda amelia amir amy ana andrea andrew andy angela angie anita ann anna anne
    annie anthony antonio arthur ashley aubrey audrey austin ava barbara barry beatrice becky ben benjamin bernard
    bernice beth betty beverly bob bobby bonnie brad bradley brandon brenda brendan brent brian brianna bridget
    brittany bruce bryan caleb calvin cameron carl carla carlos carmen carol caroline carolyn carrie catherine cathy
    cecilia chad charles charlie charlotte chelsea cheryl chloe chris christian christina christine christopher
    cindy claire clara clarence claudia clifford clint colin connie connor corey courtney craig curtis cynthia
    daniel danielle danny darlene darren dave david deborah debbie debra denise dennis derek diana diane diego
    dmitri dominic don donald donna doris dorothy doug douglas duncan dylan eddie edgar edith edward edwin eileen
    elaine eleanor elena eli elijah elizabeth ella ellen elliot elsa emily emma eric erica erik erin ernest esther
    ethan eugene eva evan evelyn fatima felix fernando fiona florence frances francis francisco frank fred frederick
    gabriel gabriela gail gary geoff geoffrey george gerald geraldine gina gladys glenn gloria gordon greg gregory
    greta gwen hannah harold harriet harry hassan heather hector heidi helen helena henry herbert holly howard hugh
    hugo ian ibrahim igor ingrid irene isaac isabel isabella ivan jack jackie jackson jacob jacqueline jake james
    jamie jan jane janet janice jared jasmine jason javier jay jean jeff jeffrey jen jenna jennifer jenny jeremy
    jerome jerry jesse jessica jill jim jimmy joan joanna joanne joe joel john johnny jon jonathan jordan jorge jose
    joseph josh joshua joyce juan juanita judith judy julia julian julie julius justin karen karl kate katherine
    kathleen kathy katie kayla keith kelly ken kenneth kevin kim kimberly klaus kristen kumar kurt kyle larry laura
    lauren laurie lawrence leah lee lena leo leon leonard leroy leslie lewis liam linda lisa liz lois lorraine louis
    louise lucas lucia lucy luis luke lydia lynn madison maggie malcolm marcia marco marcus margaret maria marian
    marie marilyn mario marion marjorie martha martin marvin mary mateo matt matthew maureen max maxine megan
    melanie melissa melvin mia michael michelle miguel mike mildred mitchell mohamed mohammed moira molly monica
    morgan muhammad nadia nancy naomi natalie natasha nathan nathaniel neil nicholas nick nicole nina noah nora
    norma norman olga oliver olivia omar oscar pablo pamela patricia patrick paul paula pauline pedro peggy peter
    phil philip phillip phyllis priya rachel rafael ralph ramona randy raymond rebecca regina renee rhonda ricardo
    richard rick rita robert roberta roberto robin rodney roger roland ron ronald rosa rosemary ross roy russell
    ruth ryan sabrina sally sam samantha samuel sandra sara sarah scott sean sebastian sergio seth shane shannon
    sharon sheila shelley sherry shirley sidney simon sofia sonia sophia sophie stacy stan stanley stella stephanie
    stephen steve steven stuart susan suzanne sven sylvia tamara tanya tara ted teresa terry theodore theresa thomas
    tiffany tim timothy tina todd tom tommy toni tony tracy travis trevor tyler ursula valerie vanessa vera vernon
    veronica vicki victor victoria vincent viola virginia vivian vladimir walter wanda warren wayne wei wendy wesley
    william willie xavier yolanda yusuf yvonne zachary zoe""".split()
)

# Names that are also words, taken for a name only right before what the person is to do.
MAYBE_NAMES = frozenset(
    "bill carter chase daisy dawn dean drew faith gene grace grant hunter iris ivy jade joy lance lily mark miles "
    "nelson olive parker pat penny ray rich rob rose ruby sandy skip stone sue tanner taylor violet wade ward".split()
)

GROUPS = frozenset(
    """accounting admin administration board committee design designers developers development engineering engineers
    finance hr legal management marketing operations procurement product production purchasing qa research sales
    security staff support team teams""".split()
)

NOBODY = frozenset("someone somebody anyone anybody one person".split())
EVERYBODY = frozenset("everyone everybody we all us".split())
