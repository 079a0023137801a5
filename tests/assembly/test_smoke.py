from pathlib import Path
def test_smoke(shop, built: Path, tagger):
    from assembler.runtime import Tagger
    print(Tagger(built).tag([["der","hund"]]), shop.flair_tags(tagger, [["der","hund"]]))
