//! What is done to volumes on the status socket, with what is being done while it is done.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::requests::VolumeRequest;
use super::services::Services;

/// How often the work under way is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Does it. A client that leaves stops nothing: what was begun is finished.
pub(super) async fn answer(mut stream: UnixStream, services: &Services, request: VolumeRequest) {
    let Some(service) = services.volume.clone() else {
        say(&mut stream, &json!({"error": "the volume plugin is not served by this process"})).await;
        return;
    };
    let name = request.name().to_owned();
    let worker = service.clone();
    let mut work = tokio::spawn(async move { perform(&worker, request).await });
    let mut told = None;
    loop {
        tokio::select! {
            done = &mut work => {
                let line = match done {
                    Ok(Ok(value)) => json!({"done": value}),
                    Ok(Err(error)) => json!({"error": error.to_string()}),
                    Err(error) => json!({"error": format!("an internal error, see the log: {error}")}),
                };
                return say(&mut stream, &line).await;
            }
            () = tokio::time::sleep(LOOK) => {
                let now = service.progress(&name);
                if now.is_some() && now != told {
                    say(&mut stream, &json!({"progress": now})).await;
                    told = now;
                }
            }
        }
    }
}

async fn say(stream: &mut UnixStream, line: &Value) {
    let _ =
        tokio::time::timeout(Duration::from_secs(5), stream.write_all(format!("{line}\n").as_bytes())).await;
}

async fn perform(service: &fuxi::Service, request: VolumeRequest) -> fuxi::Result<Value> {
    let value = |it: Result<Value, serde_json::Error>| it.unwrap_or_default();
    Ok(match request {
        VolumeRequest::List {} => {
            let all = service.list().await?;
            let row =
                |v: fuxi::VolumeInfo| json!({"name": v.name, "mountpoint": v.mountpoint, "status": v.status});
            all.into_iter().map(row).collect()
        }
        VolumeRequest::Show { name } => value(serde_json::to_value(service.show(&name).await?)),
        VolumeRequest::Create { name, options } => {
            service.create_patiently(&name, options).await?;
            json!({"name": name})
        }
        VolumeRequest::Clone { source, name, options } => {
            service.clone_volume(&source, &name, options).await?;
            json!({"name": name})
        }
        VolumeRequest::Snapshot { name, snapshot } => {
            value(serde_json::to_value(service.snapshot(&name, &snapshot).await?))
        }
        VolumeRequest::Snapshots { name } => value(serde_json::to_value(service.snapshots(&name).await?)),
        VolumeRequest::Extend { name, size } => {
            json!({"name": name, "size": service.extend(&name, size).await?})
        }
        VolumeRequest::Detach { name } => {
            service.detach(&name).await?;
            json!({"name": name})
        }
        VolumeRequest::Holders { name } => value(serde_json::to_value(service.holders(&name).await?)),
        VolumeRequest::Fence { name, attachment } => {
            service.fence(&name, &attachment).await?;
            json!({"name": name})
        }
    })
}
