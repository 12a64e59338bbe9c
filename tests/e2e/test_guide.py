"""The guide for map clients, block by block, in a real browser: it draws the secured layers as it stands, and whoever
comes after all tokens were revoked sees them, too."""

import re

import pytest
from playwright.async_api import Browser

from tests.e2e.conftest import DIALOG, Stage, Witness, drawn, opened
from tests.e2e.pages import SDK4, Block, guide_blocks

BLOCKS = [(folder, block) for block in guide_blocks() for folder in "54" if folder == "5" or block.library == "core"]
NAMES = [block.name + (f"-{SDK4}" if folder == "4" else "") for folder, block in BLOCKS]


@pytest.mark.parametrize(("folder", "block"), BLOCKS, ids=NAMES)
async def test_a_block_of_the_guide(browser: Browser, stage: Stage, folder: str, block: Block) -> None:
    stage.pages.public = (
        f"http://127.0.0.1:{stage.service.public.port}"  # another site than the page's, not only origin
    )
    seen: dict[str, int] = {}
    for visit in (1, 2):
        witness = Witness()
        page = await opened(browser, witness, f"http://localhost:{stage.pages.port}/{folder}/{block.name}")
        seen = await drawn(page, witness, f"{block.name}-{folder}-{visit}", harbour=1_000, park=500)
        await page.wait_for_load_state("networkidle")
        assert await page.locator(DIALOG).count() == 0
        assert not any(said.startswith(stage.arcgis.url) for said in witness.seen), "the server itself was asked"
        await witness.saw_none_of(page, stage.secrets)
        assert witness.errors == []
        assert stage.arcgis.accounts.logins == visit
        stage.arcgis.revoke_all()
        await page.context.close()
    for service in set(re.findall(r"/(\w+/\w+Server)\b", block.text)):
        assert stage.arcgis.journal.to(f"/Secure/{service}/"), f"nothing was asked of {service}"
    if "glyphs" in block.text:
        assert seen["office"] > 50, "the icons are missing"
        assert stage.arcgis.journal.to("/resources/sprites/sprite")
        assert stage.arcgis.journal.to("/resources/fonts/Arial%20Regular/0-255.pbf")
