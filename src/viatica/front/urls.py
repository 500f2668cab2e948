from django.urls import path

from viatica.front import language, outside_doors, pictures, sign_in
from viatica.front.desks import approvals, finance, mine, notices, search
from viatica.front.desks.connections import exchange_pages, setup
from viatica.front.desks.connections import pages as connections
from viatica.front.papers import reports, trips

app_name = "front"
urlpatterns = [
    path("", mine.page, name="mine"),
    # Doors
    path("sign-in", sign_in.sign_in, name="sign_in"),
    path("sign-in/as/<str:username>", sign_in.sign_in_as, name="sign_in_as"),
    path("sign-in/with/<slug:slug>", outside_doors.start, name="outside_start"),
    path("sign-in/with/<slug:slug>/back", outside_doors.finish, name="outside_finish"),
    path("sign-in/inside/<slug:slug>", outside_doors.inside, name="inside"),
    path("sign-out", sign_in.sign_out, name="sign_out"),
    path("language", language.switch, name="language"),
    # Trips
    path("trips/new", trips.new, name="trip_new"),
    path("trips/<str:number>", trips.page, name="trip"),
    path("trips/<str:number>/live", trips.live, name="trip_live"),
    path("trips/<str:number>/edit", trips.edit, name="trip_edit"),
    path("trips/<str:number>/submit", trips.submit, name="trip_submit"),
    path("trips/<str:number>/withdraw", trips.withdraw, name="trip_withdraw"),
    path("trips/<str:number>/urge", trips.urge, name="trip_urge"),
    # Reports
    path("reports/new", reports.new, name="report_new"),
    path("reports/<str:number>", reports.page, name="report"),
    path("reports/<str:number>/live", reports.live, name="report_live"),
    path("reports/<str:number>/edit", reports.edit, name="report_edit"),
    path("reports/<str:number>/invoices", reports.take_invoices, name="report_invoices"),
    path("reports/<str:number>/lines/new", reports.new_line, name="line_new"),
    path("reports/<str:number>/lines/<int:no>", reports.edit_line, name="line"),
    path("reports/<str:number>/lines/<int:no>/remove", reports.remove_line, name="line_remove"),
    path("reports/<str:number>/lines/<int:no>/reason", reports.give_reason, name="line_reason"),
    path("reports/<str:number>/lines/restore", reports.restore_line, name="line_restore"),
    path("reports/<str:number>/lines/<int:no>/picture", reports.picture, name="picture"),
    path("reports/<str:number>/submit", reports.submit, name="report_submit"),
    path("reports/<str:number>/withdraw", reports.withdraw, name="report_withdraw"),
    path("reports/<str:number>/urge", reports.urge, name="report_urge"),
    # Desks
    path("approvals", approvals.page, name="approvals"),
    path("approvals/many", approvals.approve_many, name="approve_many"),
    path("approvals/<int:item_id>", approvals.paper, name="approval"),
    path("approvals/<int:item_id>/live", approvals.live, name="approval_live"),
    path("approvals/<int:item_id>/decide", approvals.decide, name="decide"),
    path("approvals/<int:item_id>/hand-over", approvals.hand_over, name="hand_over"),
    path("approvals/<int:item_id>/add-signer", approvals.add_signer, name="add_signer"),
    path("finance", finance.page, name="finance"),
    path("finance/audit", finance.audits, name="audits"),
    path("finance/audit/<str:number>", finance.audit, name="audit"),
    path("finance/audit/<str:number>/decide", finance.audit_decide, name="audit_decide"),
    path("finance/pay", finance.pay, name="payments"),
    path("finance/batches", finance.batches, name="batches"),
    path("finance/batches/new", finance.make_batch, name="make_batch"),
    path("finance/batches/<str:number>", finance.batch, name="batch"),
    path("finance/batches/<str:number>/file", finance.batch_file, name="batch_file"),
    path("finance/batches/<str:number>/paid", finance.batch_paid, name="batch_paid"),
    path("finance/batches/<str:number>/take-out", finance.batch_take_out, name="batch_take_out"),
    path("connections", connections.page, name="connections"),
    path("connections/new", setup.new, name="connection_new"),
    path("connections/<slug:slug>", connections.one, name="connection"),
    path("connections/<slug:slug>/setup/<str:step>", setup.setup, name="connection_setup"),
    path("connections/<slug:slug>/exchanges", exchange_pages.search, name="exchanges"),
    path("connections/<slug:slug>/exchanges/<str:key>", exchange_pages.one, name="exchange"),
    path("connections/<slug:slug>/replay", connections.replay, name="replay"),
    path("connections/<slug:slug>/compare", connections.compare, name="compare"),
    path("connections/<slug:slug>/check", connections.check, name="check"),
    # Everywhere
    path("notices", notices.page, name="notices"),
    path("notices/<int:notice_id>", notices.open_one, name="notice"),
    path("notices/read", notices.read_all, name="notices_read"),
    path("search", search.page, name="search"),
    path("paper/<str:kind>/<str:key>", search.paper, name="paper"),
    path("paper/<str:kind>/<str:key>/exchanges", exchange_pages.of_paper, name="paper_exchanges"),
    path("files/<str:token>.png", pictures.by_token, name="picture_by_token"),
]
