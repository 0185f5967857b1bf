"""The pages that hold records of objects, and where they are got and put back."""

from model.kernel.objects import Object
from model.language.syntax import (
    NULL,
    Array,
    Cookie,
    Range,
    atomic,
    cfg,
    choose_or_null,
    cookie,
    inline,
    knob,
    record,
)

knob("bnodes", 2, "pages that can be in use for bulk records; 0: no page is ever at hand")
knob("bnode_records", 1, "records that a page holds (about 500 in the kernel)")


@record(count=cfg.bnodes)
class Bnode:
    """struct kvfree_rcu_bulk_data: a page of pointers. `newer` links it towards the list's front.

    `used` is the page allocator's view; the other fields belong to whoever owns the page's list.
    """

    used: bool
    newer: Bnode
    gp_snap: Cookie
    nr_records: Range[0, cfg.bnode_records]
    records: Array[Object, cfg.bnode_records]


@inline
def any_free_page() -> Bnode:
    """A page or NULL: a free choice among what nobody has."""
    page = choose_or_null(b for b in Bnode if not b.used)
    if page == NULL:
        return NULL
    if not get_page(page):
        return NULL
    return page


@atomic
def get_page(page: Bnode) -> bool:
    """A page from the allocator; false if another CPU has just taken it."""
    if page.used:
        return False
    page.used = True
    return True


@atomic
def put_page(bnode: Bnode) -> None:
    """The page goes back to the allocator."""
    bnode.used = False
    empty_page(bnode)


@atomic
def empty_page(bnode: Bnode) -> None:
    """What the page held is of no interest any more."""
    bnode.newer = NULL
    bnode.nr_records = 0
    bnode.gp_snap = cookie(0)
    for i in range(cfg.bnode_records):
        bnode.records[i] = NULL
