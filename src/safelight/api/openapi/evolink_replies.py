"""What EvoLink's door replies with: tasks, lists, credits, models and errors."""

from safelight.api.openapi.schemas import LINK, Schema, obj, ref, reply, whole
from safelight.errors import JobErrorCode

STATUSES = ("pending", "processing", "completed", "failed")
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
CREDITS: Schema = {"type": "number"}
PROGRESS: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
ID: Schema = {
    "type": "string",
    "pattern": "^task-unified-[0-9]{1,12}-[a-z0-9]{1,32}$",
    "example": "task-unified-1751280000-k2t9x8a3",
}
STATUS: Schema = {"type": "string", "enum": list(STATUSES)}

TASK: dict[str, Schema] = {
    "created": COUNT,
    "id": ID,
    "model": TEXT,
    "object": {"type": "string", "const": "image.generation.task"},
    "progress": PROGRESS,
    "status": STATUS,
    "task_info": obj(
        {"can_cancel": {"type": "boolean"}, "estimated_time": COUNT}, required=["can_cancel"]
    ),
    "type": {"type": "string", "const": "image"},
}
RESERVED = whole(
    {
        "billing_rule": {"type": "string", "const": "per_call"},
        "credits_reserved": CREDITS,
        "user_group": TEXT,
    }
)
ERROR_EXTRAS: dict[str, Schema] = {
    "param": TEXT,
    "request_id": TEXT,
    "estimated_credits": CREDITS,
    "account_balance_credits": CREDITS,
    "remaining_credits": CREDITS,
}
ERROR: dict[str, Schema] = {"code": TEXT, "message": TEXT, "type": TEXT}

SCHEMAS: dict[str, Schema] = {
    "SubmittedTask": whole({**TASK, "usage": RESERVED}),
    "Task": obj(
        {
            **TASK,
            "usage": {"anyOf": [RESERVED, whole({"credits_used": CREDITS})]},
            "duration": COUNT,
            "results": {"type": "array", "items": LINK},
            "result_data": {"type": "array", "items": whole({"url": LINK})},
            "error": whole(
                {
                    "code": {"type": "string", "enum": [str(code) for code in JobErrorCode]},
                    "message": TEXT,
                    "type": {"type": "string", "const": "task_error"},
                }
            ),
        },
        required=TASK,
    ),
    "TaskList": whole(
        {
            "object": {"type": "string", "const": "list"},
            "total": COUNT,
            "page": COUNT,
            "page_size": COUNT,
            "data": {
                "type": "array",
                "items": whole(
                    {
                        "id": ID,
                        "model": TEXT,
                        "type": {"type": "string", "const": "image"},
                        "status": STATUS,
                        "progress": PROGRESS,
                        "created_at": COUNT,
                        "duration": COUNT,
                        "has_results": {"type": "boolean"},
                        "result_count": COUNT,
                        "has_error": {"type": "boolean"},
                        "credits_used": CREDITS,
                    }
                ),
            },
        }
    ),
    "TaskBatch": whole(
        {
            "code": {"type": "integer", "const": 200},
            "data": {"type": "array", "items": ref("Task")},
        }
    ),
    "Credits": whole(
        {
            "data": whole(
                {
                    "token": whole(
                        {
                            "remaining_credits": CREDITS,
                            "unlimited_credits": {"type": "boolean"},
                            "used_credits": CREDITS,
                        }
                    ),
                    "user": whole({"remaining_credits": CREDITS, "used_credits": CREDITS}),
                }
            ),
            "message": TEXT,
            "success": {"type": "boolean"},
        }
    ),
    "ModelList": whole(
        {
            "object": {"type": "string", "const": "list"},
            "data": {
                "type": "array",
                "items": whole(
                    {
                        "id": TEXT,
                        "object": {"type": "string", "const": "model"},
                        "created": COUNT,
                        "owned_by": TEXT,
                        "licence": obj(
                            {"name": TEXT, "url": LINK, "notice": TEXT}, required=["name", "url"]
                        ),
                    }
                ),
            },
        }
    ),
    "TaskError": whole({"error": obj({**ERROR, **ERROR_EXTRAS}, required=ERROR)}),
}

REPLIES: dict[str, Schema] = {
    "400": reply("The request is invalid, or the model cannot be made here.", ref("TaskError")),
    "401": reply("The key is missing or not valid.", ref("TaskError")),
    "402": reply("The account or the key has run out of credits.", ref("TaskError")),
    "403": reply("The key may not use this model.", ref("TaskError")),
    "404": reply("The task is unknown to this account.", ref("TaskError")),
    "409": reply("The Idempotency-Key belongs to another request.", ref("TaskError")),
    "413": reply("The body is larger than 64 KiB.", ref("TaskError")),
    "429": reply("Too many requests, or tasks waiting.", ref("TaskError"), Retry_After="Seconds"),
    "500": reply("A mistake of the server.", ref("TaskError")),
    "503": reply("The service is not available.", ref("TaskError"), Retry_After="Seconds"),
}
