"""The pages of 流程中心: a paper of somebody else's flow, and the buttons it asked for."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from simulators.dingtalk.centre import Centre, CentreInstance, CentreTask
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.pages import Pages
from simulators.dingtalk.showing import deed, opened, state_of
from simulators.dingtalk.workflow import TaskStatus
from simulators.stage.showing import Paper, ShownNode, ShownRecord


@dataclass(frozen=True, slots=True)
class CentrePages:
    pages: Pages

    def routes(self) -> list[Route]:
        return [
            Route("/u/{userid}/centre/{instance_id}", self.look),
            Route("/u/{userid}/centre/{instance_id}/{verdict}", self.press, methods=["POST"]),
        ]

    @property
    def centre(self) -> Centre:
        return self.pages.sim.centre

    async def look(self, request: Request) -> Response:
        return self._page(request)

    async def press(self, request: Request) -> Response:
        task = self._own_task(request)
        verdict = request.path_params["verdict"]
        if task is None or verdict not in ("agree", "refuse"):
            return self._page(request, error="这里没有等你处理的任务，可能已被处理或撤销", status=409)
        form = await request.form()
        try:
            await self.centre.press(task, verdict, str(form.get("text", "")).strip()[:1024])
        except NewRefusal as error:
            return self._page(request, error=error.message, status=409)
        userid, instance_id = task.userid, task.instance_id
        return RedirectResponse(f"/u/{userid}/centre/{instance_id}?said=1", status_code=303)

    def _page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        pages = self.pages
        user = pages.company.users.get(request.path_params["userid"])
        instance = self.centre.box.instances.get(request.path_params["instance_id"])
        if user is None or instance is None:
            return pages.missing("没有这张审批单")
        task = self._own_task(request)
        page = pages.page(
            "centre.html",
            status,
            me=pages.face(user),
            instance=instance,
            paper=self._paper(instance),
            task=task,
            buttons=self.centre.buttons(task) if task else None,
            elsewhere=self._elsewhere(task, instance) if task else "",
            said=request.query_params.get("said"),
            error=error,
        )
        return pages.remember(page, user.userid)

    def _paper(self, instance: CentreInstance) -> Paper:
        """Its flow is the app's own: what is known here are the tasks it has handed out."""
        name = self.pages.name
        template = self.centre.box.templates.get(instance.code)
        tasks = [ShownNode(name(task.userid), "", _look(task), [(deed(task), "")]) for task in instance.tasks]
        records = [ShownRecord(name(instance.originator), "发起申请", instance.created_ms)]
        done = sorted(
            (task for task in instance.tasks if task.finished_ms), key=lambda task: task.finished_ms
        )
        for task in done:
            records.append(
                ShownRecord(name(task.userid), deed(task), task.finished_ms, is_bad=task.result == "REFUSE")
            )
        return Paper(
            instance.title,
            *state_of(instance),
            f"{name(instance.originator)} · {template.name if template else '已删除的模板'}",
            instance.created_ms,
            [self.pages.showing.value(value) for value in instance.values],
            [ShownNode("发起人", "", "done", [(name(instance.originator), "")]), *tasks],
            records,
            instance.url,
        )

    def _own_task(self, request: Request) -> CentreTask | None:
        mine = self.centre.box.open_tasks.get(request.path_params["userid"], {})
        wanted = request.path_params["instance_id"]
        return next((task for task in mine.values() if task.instance_id == wanted), None)

    def _elsewhere(self, task: CentreTask, paper: CentreInstance) -> str:
        """Where agreeing and refusing are done: TASK_EXECUTE with REDIRECT, else the task's own page."""
        for feature in self.centre.features(task):
            if feature.name == "TASK_EXECUTE" and feature.run_type == "REDIRECT":
                return opened(task, feature.pc_url or feature.mobile_url)
        return opened(task, task.url or paper.url)


def _look(task: CentreTask) -> str:
    match task.status, task.result:
        case TaskStatus.RUNNING, _:
            return "current"
        case _, "REFUSE":
            return "refused"
        case TaskStatus.COMPLETED, _:
            return "done"
        case _:
            return "ended"
