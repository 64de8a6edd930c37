"""The commonest function words (articles, prepositions, pronouns, auxiliaries) of ten languages.

They serve twice: a text's language is the one whose function words it uses, and they are no keywords.
"""

from __future__ import annotations

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "English": """
            the of and to a in that is was he for it with as his on be at by i this had not are but from or
            have an they which one you were all her she there would their we him been has when who will no
            more if out so up said what its about than into them can only other could my me your our do did
            some then these may such very any upon those shall should must whereas how now down off over
            again just himself herself itself themselves myself yourself like don't i'm i'll i've i'd
            it's he's she's that's there's you're we're they're didn't doesn't isn't wasn't can't couldn't
            won't wouldn't shan't""",
        "German": """
            der die das und in zu den von mit ist des im für auf dem nicht ein eine als auch es an werden
            aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben
            nur oder aber vor zur bis mehr durch man sein wurde sei ihre ihrer seine seiner seinem seinen
            ich wir kann wenn jeder jede unter gegen diese dieser alle keine kein niemand darf sowie""",
        "French": """
            de la le les et des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont
            avec son sa ses ou aux mais comme on nous vous je cette leur leurs été être ont elle ils même si
            tout tous toute toutes ces sans nul d' l' qu' n' s' c' j' y dont ainsi""",
        "Spanish": """
            de la que el en y a los del se las por un para con no una su al lo como más o pero sus le ha me
            si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy hasta desde
            nos está toda nadie tiene ni e cualquier todos""",
        "Italian": """
            di e il la che in a un per è una sono con non del si da come le dei nel alla i al gli della più
            ha dell' lo o su anche delle ma se ad questo nella dal ogni sua suo l' all' ed essere degli agli
            dalla quale sia tutti nell' d' un' loro deve""",
        "Portuguese": """
            de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das
            tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era
            toda todo ninguém tem têm pode aos ao""",
        "Dutch": """
            de van het een en in is dat op te zijn met voor niet die aan er om ook als dan maar bij of uit
            nog worden door naar heeft tot wordt over ze zich hij deze geen heeft hun ieder een kan wel zal
            andere daar dit al zonder zijne haar""",
        "Polish": """
            i w z na do się nie o jest że to a od za przez po jak dla ma oraz lub co być jego jej ich tym
            przy ze tego czy jako pod są które który która których każdy każda nikt każdego we bez ale może
            został wszystkich""",
        "Russian": """
            и в не на что с по как он к из у за от это а то же для о его все или так но при их до если она
            бы был была были быть ее мы вы только может каждый имеет без также должен ни никто со этого том
            которые""",
        "Swedish": """
            och i att det som en på är av för med till den har de inte om ett han men var sig från så vi kan
            när år skall ska eller vid hans sin sina sitt efter under varje ingen må dess där även genom
            alla mot vilka vilken denna detta""",
    }.items()
}

ALL_FUNCTION_WORDS: frozenset[str] = frozenset().union(*FUNCTION_WORDS.values())
