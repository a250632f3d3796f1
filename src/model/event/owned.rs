//! Copies of events that do not borrow from their message.

use std::borrow::Cow;

use super::{
    Alert, Answer, Event, LogLine, Notice, Process, ProcessChange, Processes, ServerError, TaskResult, Unknown,
};

impl Event<'_> {
    /// Copies all borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Event::Sample(sample) => Event::Sample(Box::new(sample.into_owned())),
            Event::Alert(alert) => Event::Alert(alert.into_owned()),
            Event::Processes(processes) => Event::Processes(processes.into_owned()),
            Event::Users(users) => Event::Users(users.into_owned()),
            Event::Log(line) => Event::Log(line.into_owned()),
            Event::Notice(notice) => Event::Notice(Notice {
                text: owned(notice.text),
                greeting: notice.greeting,
                kind: owned(notice.kind),
                channel: owned(notice.channel),
                level: owned(notice.level),
                at: notice.at.map(owned),
            }),
            Event::Answer(answer) => Event::Answer(Answer {
                kind: owned(answer.kind),
                text: answer.text,
                request: answer.request,
                at: answer.at.map(owned),
            }),
            Event::Error(error) => Event::Error(ServerError {
                text: owned(error.text),
                severity: error.severity.map(owned),
                retry_after: error.retry_after,
                at: error.at.map(owned),
            }),
            Event::KeepAlive => Event::KeepAlive,
            Event::Unknown(unknown) => {
                Event::Unknown(Unknown { kind: owned(unknown.kind), text: owned(unknown.text), ..unknown })
            }
            Event::State(change) => Event::State(change),
            Event::Warning(warning) => Event::Warning(warning),
            Event::Unanswered(unanswered) => Event::Unanswered(unanswered),
        }
    }
}

impl Alert<'_> {
    /// Copies all borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Alert<'static> {
        Alert {
            component: owned(self.component),
            metric: owned(self.metric),
            id: self.id,
            level: owned(self.level),
            from: owned(self.from),
            message: owned(self.message),
            cause: owned(self.cause),
            value: self.value,
            threshold: self.threshold,
            phase: self.phase,
            stored: self.stored,
            age: self.age,
            rule: self.rule,
            at: self.at.map(owned),
        }
    }
}

impl LogLine<'_> {
    fn into_owned(self) -> LogLine<'static> {
        LogLine {
            level: owned(self.level),
            source: owned(self.source),
            text: owned(self.text),
            extra: self.extra,
            kind: owned(self.kind),
            channel: owned(self.channel),
            task: self.task.map(|task| Box::new(task.into_owned())),
            at: self.at.map(owned),
        }
    }
}

impl TaskResult<'_> {
    fn into_owned(self) -> TaskResult<'static> {
        TaskResult { function: owned(self.function), success: self.success, error: owned(self.error) }
    }
}

impl Processes<'_> {
    /// Copies all borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Processes<'static> {
        Processes {
            list: self.list.into_iter().map(Process::into_owned).collect(),
            changes: self.changes.into_iter().map(ProcessChange::into_owned).collect(),
            first: self.first,
            at: self.at.map(owned),
        }
    }
}

impl Process<'_> {
    fn into_owned(self) -> Process<'static> {
        Process {
            name: owned(self.name),
            id: owned(self.id),
            state: owned(self.state),
            pid: self.pid,
            started_at: self.started_at.map(owned),
            uptime: self.uptime,
            restarts: self.restarts,
            cpu: self.cpu,
            memory: self.memory,
            exit_code: self.exit_code,
            error: self.error.map(owned),
            namespace: self.namespace.map(owned),
            port: self.port,
            moved: self.moved,
        }
    }
}

impl ProcessChange<'_> {
    fn into_owned(self) -> ProcessChange<'static> {
        ProcessChange { name: owned(self.name), from: owned(self.from), to: owned(self.to), detail: owned(self.detail) }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
